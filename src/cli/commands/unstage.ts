import { resolve } from 'node:path'
import type { CallingShell } from '../../activate/call.ts'
import { factsFor } from '../../activate/facts-for.ts'
import { NOTHING } from '../../activate/on-top.ts'
import { findStaged, planUnstage } from '../../activate/plan.ts'
import type { Snapshot } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import { assertCondaCanActivate } from '../../activate/through-conda.ts'
import { exitStep } from '../../auto-stage/exit-step.ts'
import { withoutAutoStaging } from '../../auto-stage/guard.ts'
import { StageError } from '../../errors.ts'
import { leasesOfCaller } from '../../leases/holder.ts'
import { type HeldLease, leasesOf, liveAmong } from '../../leases/lease.ts'
import { activePrefix, isVenvActive } from '../../model/active.ts'
import { wholeSeconds } from '../../model/amounts.ts'
import { CONDABIN_OF_A_COPY, IN_A_COPY } from '../../model/copy-of-base.ts'
import { nounOf } from '../../model/kind.ts'
import { isInPlace } from '../../mount/in-place.ts'
import { stagesOf } from '../../pipeline/activation.ts'
import { boundOf } from '../../pipeline/bind-to-shell.ts'
import type { UnstageResult } from '../../pipeline/options.ts'
import { unstage } from '../../pipeline.ts'
import { findStage, type Stage, type StageRecord } from '../../stage/record.ts'
import { isSourceThere } from '../../stage/source.ts'
import type { Context } from '../command.ts'
import { confirmLoss } from '../confirm-loss.ts'
import { callerOf, progressOf } from '../library-options.ts'
import { clock, holderText } from '../render/holder-text.ts'
import { writeJson } from '../render/messages.ts'
import { leaveNodes, NO_NODES } from './leave-nodes.ts'
import { noShellFunction } from './stage.ts'
import { sweeper } from './sweep.ts'
import type { CondaBack } from './with-conda.ts'

/** Makes the shell go back to the original and then call --finish-unstage. With --prefix it only gives that copy back. */
export async function unstageCommand(context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  const conda = await condaOf(context)
  if (options.prefix !== undefined) {
    // The session must not be left with the conda of a copy that is gone.
    const isConda = conda?.copy === resolve(session.cwd, options.prefix)
    return conda && isConda && session.shell ? condaAlone(conda, context) : await unstageNamed(options.prefix, context)
  }
  const stages = await stagesOf(session.env)
  const found = findStaged(session.env, (prefix) => stages.has(prefix))
  const active = activePrefix(session.env)
  if (found.where === 'none') {
    const left = await (await import('./left-venv.ts')).giveBackLeft(context)
    if (conda) return [...(left ?? []), ...condaAlone(conda, context)]
    if (left) return [...left, { op: 'return', status: 0 }]
    throw active && isInPlace(active) ? inPlace(active) : notStaged(active)
  }
  if (found.where === 'beneath') throw beneath(found.prefix, session.env)
  const { shell } = session
  if (!shell) throw noShellFunction()
  const stage = stages.get(found.prefix)!
  const { kind } = stage.record
  const activator = kind === 'venv' ? 'own' : options.activator
  const { own, inherited, unread, users } = await leasesIn(stage, context)
  // It may be the very one that says what the session was before.
  if (unread && inherited === undefined) throw unread
  const original = inherited?.lease.original ?? stage.record.original
  await assertOriginalThere({ ...stage.record, original }, context)
  if (users.length === 0) await confirmLoss(stage, context)
  const snapshot = inherited?.lease.activation as Snapshot | undefined
  const isOnTop = snapshot?.isOnTop === true
  if (conda) tellOf(conda, context)
  const replaced = isOnTop ? (snapshot.variables.CONDA_PREFIX?.before ?? undefined) : original
  messages.info(isOnTop ? 'Unstaging ...' : `Unstaging and reverting to original ${nounOf(kind)} ...`)
  messages.info(`Original ${nounOf(kind)}: ${original}`)
  const env = conda?.env ?? session.env
  const facts = factsFor(kind, { dialect: shell.dialect, env })
  const [before, staged] = await Promise.all([replaced ? facts(replaced) : NOTHING, facts(found.prefix)])
  // Leaving is possible all the same.
  for (const { message } of [...before.unreadable, ...staged.unreadable]) messages.warning(message)
  if (activator === 'conda' && replaced) assertCondaCanActivate(before, shell.dialect)
  const { steps } = planUnstage({
    kind,
    env,
    ps1: shell.ps1,
    original: before,
    staged,
    snapshot,
    isOnTop,
    activator,
    remove: finishing({ prefix: stage.record.prefix, conda, shell }, context),
  })
  const bound = own && boundOf(own, stage.record.prefix)
  const all: Step[] = [
    ...(conda?.steps ?? []),
    ...(bound ? [exitStep('notAtExit', bound)] : []),
    ...(own?.lease.nodes ? [NO_NODES] : []),
    ...steps,
  ]
  return activator === 'conda' ? withoutAutoStaging(all) : all
}

/** Nothing is loaded for it unless the session's conda runs from a copy. */
async function condaOf(context: Context): Promise<CondaBack | undefined> {
  const { CONDA_EXE, _CONDA_EXE, _CONDA_ROOT, PATH = '' } = context.session.env
  const isNamed = [CONDA_EXE, _CONDA_EXE, _CONDA_ROOT].some((path) => path !== undefined && IN_A_COPY.test(path))
  if (!isNamed && !CONDABIN_OF_A_COPY.test(PATH)) return undefined
  return await (await import('./with-conda.ts')).condaBack(context)
}

/** The copy of the environment was left before, as with `conda deactivate`, or there was none. */
function condaAlone(conda: CondaBack, context: Context): Step[] {
  const { shell } = context.session
  if (!shell) throw noShellFunction()
  tellOf(conda, context)
  return [...conda.steps, { op: 'run', argv: finishing({ conda, shell }, context) }, { op: 'return', status: 0 }]
}

const tellOf = ({ original }: CondaBack, { messages }: Context): void =>
  messages.info(`conda runs from its installation again: ${original}`)

/** Arguments for the launcher, when the session has left the copies. */
function finishing(
  { prefix, conda, shell }: { prefix?: string; conda: CondaBack | undefined; shell: CallingShell },
  context: Context,
): string[] {
  return [
    '--finish-unstage',
    ...(prefix === undefined ? [] : [`--prefix=${prefix}`]),
    ...(conda && conda.copy !== prefix ? [`--companion=${conda.copy}`] : []),
    ...(shell.pid === undefined ? [] : [`--session=${shell.pid}`]),
    `--since=${Date.now()}`,
    ...passedOn(context),
  ]
}

/** The caller's lease; or else the one that its shell has inherited from the shell that staged; and who else uses the copy. */
async function leasesIn(stage: Stage, context: Context) {
  const leases = await leasesOf(stage.folder)
  const [own] = leasesOfCaller(callerOf(context), leases)
  const [ofParent] = leasesOfCaller({ env: context.session.env }, leases)
  const inherited = own ?? ofParent ?? leases.findLast(({ lease }) => lease.activation !== undefined)
  const unread = leases.find((held) => held.unread)?.unread
  return { own, inherited, unread, users: await liveAmong(leases.filter((held) => held !== own)) }
}

async function unstageNamed(prefix: string, context: Context): Promise<undefined> {
  const { options, session, messages } = context
  const named = await findStage(resolve(session.cwd, prefix))
  if (named) {
    const { users, own } = await leasesIn(named, context)
    await assertOriginalThere(named.record, context)
    if (users.length === 0) await confirmLoss(named, context)
    await leaveOtherNodes(own, named, context)
  }
  const given = { prefix, cwd: session.cwd, env: session.env, force: options.force, caller: callerOf(context) }
  const { kept, ...result } = await unstage({ ...given, onProgress: progressOf(context) })
  if (kept) messages.info(whyKept(kept))
  if (options.json) writeJson({ ...result, ...keptData(kept) })
}

/** The shell calls this when it has left the copy and is back in the original. */
export async function finishUnstageCommand(context: Context): Promise<undefined> {
  const { options, session, messages } = context
  const caller = callerOf(context)
  const leaveCompanions = async () => {
    for (const companion of options.companions ?? [])
      await (await import('./companion.ts')).leaveCompanion(companion, context)
  }
  if (options.prefix === undefined) return void (await leaveCompanions())
  const given = { prefix: options.prefix, cwd: session.cwd, env: session.env, force: options.force, caller }
  const stage = await findStage(given.prefix)
  if (stage) await leaveOtherNodes((await leasesIn(stage, context)).own, stage, context)
  const { original, kept } = await unstage({ ...given, onProgress: progressOf(context) }, sweeper(session))
  // The copy of a base may be both: only conda's lease passes on to programs that would call conda.
  await leaveCompanions()
  const active = activePrefix(session.env)
  if (stage?.record.alone === undefined) messages.info(`Activating original ${nounOf(stage?.record.kind)}: ${original}`)
  else messages.info(active ? `Active environment: ${active}` : 'No environment is active')
  if (kept) messages.info(whyKept(kept, options.session))
  else messages.info(`Total unstage time: ${wholeSeconds((Date.now() - (options.since ?? Date.now())) / 1000)}`)
  if (options.json) writeJson({ original, prefix: options.prefix, ...keptData(kept) })
}

/** First, because the call holds a lease on each of its nodes, and this may be one of them. */
async function leaveOtherNodes(own: HeldLease | undefined, { record }: Stage, context: Context): Promise<void> {
  await leaveNodes(own?.lease, record.prefix, context)
}

type Kept = UnstageResult['kept']

function whyKept(kept: NonNullable<Kept>, shell?: number): string {
  if ('until' in kept) return `The copy is kept for the next session until ${clock(kept.until)}`
  const { users } = kept
  // As by PREFIX=$(conda-stage --prefix=ENV).
  if (users.length === 1 && users[0]!.processes.some(({ pid }) => pid === shell))
    return 'The copy stays until this shell ends, which has also asked for its path with --prefix'
  return `The copy stays: ${users.length === 1 ? `${holderText(users[0]!)} uses it` : `${users.length} others use it`}`
}

const keptData = (kept: Kept) => kept && { kept: true, ...('users' in kept && { users: kept.users.length }) }

const passedOn = ({ options }: Context): string[] => [
  ...(options.verbosity === 'normal' ? [] : [`--${options.verbosity}`]),
  ...(options.json ? ['--json'] : []),
  ...(options.force ? ['--force'] : []),
]

/** The copy may be the last one. */
async function assertOriginalThere(
  record: Pick<StageRecord, 'original' | 'prefix' | 'alone' | 'archive'>,
  { options }: Context,
): Promise<void> {
  if (options.force || (await isSourceThere(record))) return
  const { original, prefix, alone, archive } = record
  const what =
    alone !== undefined && archive.path ? `The archive ${archive.path}` : `The original environment ${original}`
  throw new StageError('ORIGINAL_GONE', `${what} is gone or can't be reached. Its copy ${prefix} was not removed`, {
    path: original,
    hint: "Save what you need from the copy. 'conda-stage --unstage --force' removes it; 'conda deactivate' leaves it.",
  })
}

function notStaged(active: string | undefined): StageError {
  const what = active ? `the active environment ${active} is not a staged copy` : 'no environment is active'
  return new StageError('NOT_STAGED', `Nothing to unstage: ${what}`, {
    ...(active && { path: active }),
    hint: 'To remove a copy that is not active: conda-stage --unstage --prefix=STAGED',
  })
}

const inPlace = (prefix: string): StageError =>
  new StageError('NOT_STAGED', `The copy stands in the place of ${prefix}, for this command or shell alone`, {
    path: prefix,
    hint: "Leave it with 'exit'.",
  })

function beneath(prefix: string, env: Context['session']['env']): StageError {
  const how = isVenvActive(env) ? 'deactivate' : 'conda deactivate'
  return new StageError(
    'NOT_STAGED',
    `The staged copy ${prefix} is not on top: another environment was activated after it`,
    {
      path: prefix,
      hint: `Leave that environment first ('${how}'), then run 'conda-stage --unstage' again.`,
    },
  )
}
