import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import type { CallingShell } from '../../activate/call.ts'
import { factsFor } from '../../activate/facts-for.ts'
import { NOTHING } from '../../activate/on-top.ts'
import { planAgain, planStage } from '../../activate/plan.ts'
import { STAGED } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import { assertCondaCanActivate } from '../../activate/through-conda.ts'
import { beforeEnd, exitStep } from '../../auto-stage/exit-step.ts'
import { withoutAutoStaging } from '../../auto-stage/guard.ts'
import { StageError } from '../../errors.ts'
import { leasesOfCaller } from '../../leases/holder.ts'
import { leasesOf } from '../../leases/lease.ts'
import { activePrefix, isVenvActive } from '../../model/active.ts'
import { type EnvironmentKind, nounOf } from '../../model/kind.ts'
import { isInPlace } from '../../mount/in-place.ts'
import { originalInSession, saveActivation } from '../../pipeline/activation.ts'
import { bindToShell, guard, inheritLease } from '../../pipeline/bind-to-shell.ts'
import type { StageResult } from '../../pipeline/options.ts'
import { leaseFor } from '../../pipeline/share.ts'
import { stage, unstage } from '../../pipeline.ts'
import { jobId } from '../../platform/job.ts'
import { processFacts } from '../../platform/process-identity.ts'
import { realpath } from '../../platform/remote-fs.ts'
import { stopAfter } from '../../platform/signals.ts'
import { findStage, type Stage } from '../../stage/record.ts'
import type { Command, Context } from '../command.ts'
import { callerOf, stageOptions } from '../library-options.ts'
import { writeJson, writeResult } from '../render/messages.ts'
import { littleGained } from '../render/payback-text.ts'
import { shellWord } from '../render/shell-word.ts'
import { andConda, condaAlone, envAfter } from './and-conda.ts'
import { dryRun } from './dry-run.ts'
import { giveUp, leaveNodes, nodesStep } from './leave-nodes.ts'
import { statusOfFailure, survivable } from './on-failure.ts'

/** A file descriptor. */
const STANDARD_OUTPUT = 1

/**
 * Stages the active environment, or the archive that --archive names, and makes the shell activate the copy. With --prefix, or
 * with --archive as a program, it only prints the copy's path.
 */
export const stageCommand: Command = survivable(stageActiveOrNamed)

async function stageActiveOrNamed(context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  const { shell } = session
  const isPathWanted = options.prefix !== undefined || (options.archive !== undefined && !shell)
  if (!isPathWanted && !shell && !options.dryRun) throw noShellFunction()
  if (options.session !== undefined && !processFacts(options.session)) throw noSuchProcess(options.session)
  const active = activePrefix(session.env)
  const named = resolve(session.cwd, options.prefix ?? active ?? '')
  const staged = options.archive === undefined ? await findStage(named) : undefined
  if (staged) return await alreadyStaged(staged, context)
  if (await standsInPlace(context)) return undefined
  if (options.dryRun) return await unlessLocal(context, () => dryRun(context))
  if (options.activator === 'conda' && shell && active && !isPathWanted && !isVenvActive(session.env))
    assertCondaCanActivate({ prefix: active }, shell.dialect)
  const note = options.note === undefined ? undefined : await notesOf(options.note, named, context)
  const result = await stageOrSkip(context)
  if (result === undefined) return isPathWanted ? undefined : await condaAlone(context)
  await note?.(result)
  if (options.json || isPathWanted) await giveResult(result, context)
  if (isPathWanted) await guard(result, session)
  // A person at a terminal may have expected more; a program has not.
  if (isPathWanted && isatty(STANDARD_OUTPUT))
    messages.info(`Not activated. To remove the copy: conda-stage --unstage --prefix=${shellWord(result.prefix)}`)
  if (!isPathWanted && shell && result.prefix === active) return await activeAlready(result, context)
  if (!isPathWanted && shell)
    return await activation(context, shell, result, { bound: options.keepMinutes !== Number.POSITIVE_INFINITY })
  tellIfLittleGained(result, context)
  return undefined
}

/** A wrapper runs without its note, too. It waits for us: if it is ended, nobody needs the copy. */
async function notesOf(file: string, original: string, { options, session }: Context) {
  const { noteForWrappers } = await import('../../pipeline/wrapper-note.ts')
  const caller = options.session ?? session.parentPid
  stopAfter(() => processFacts(caller) !== undefined)
  const note = await noteForWrappers(file, { original, env: session.env })
  return async (copy: StageResult): Promise<void> => await note(copy).catch(() => {})
}

/** Nobody would ever find a copy whose path is lost. */
async function giveResult(result: StageResult, context: Context): Promise<void> {
  const { prefix } = result
  try {
    if (context.options.json) writeJson(result, writeResult)
    else writeResult(`${prefix}\n`)
  } catch (error) {
    await giveUp(result, context)
    throw error
  }
}

/**
 * For people who can decide whether to stage the next time. In the output of a job, of which there may be thousands, it would be
 * noise; programs have it in the result.
 */
function tellIfLittleGained({ original, payback }: StageResult, { options, session, messages }: Context): void {
  if (payback === undefined || payback.pays || options.json) return
  const isForPeople = jobId(session.env) === undefined || session.isErrorShown
  messages[isForPeople ? 'info' : 'verbose'](littleGained(original, payback))
}

/** In a command of --exec, which may call a script that stages: no failure either. */
async function standsInPlace({ options, session, messages }: Context): Promise<boolean> {
  const prefix = resolve(session.cwd, options.prefix ?? activePrefix(session.env) ?? '')
  // Who has no mount of ours need not look.
  if (session.env[STAGED] === undefined || !isInPlace(await realpath(prefix).catch(() => prefix))) return false
  messages.info(`Already staged: the copy stands in the place of ${prefix}`)
  if (options.json) writeJson({ skipped: true, original: prefix, prefix }, writeResult)
  else if (options.prefix !== undefined) writeResult(`${prefix}\n`)
  return true
}

/** A job script may call another that stages too, and automatic staging may have been first: no failure. */
async function alreadyStaged(staged: Stage, context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  const { prefix, kind } = staged.record
  const original = await originalInSession(staged, { env: session.env })
  if (options.nodes !== undefined) throw alreadyHere(prefix)
  // Nothing can be read from a mount whose server was killed.
  if (staged.record.form === 'mount' && !options.dryRun)
    await (await import('../../pipeline/mount-stage.ts')).remount(staged, stageOptions(context))
  messages.info(`Already staged: ${prefix} is the copy of ${original}`)
  if (options.json) writeJson({ skipped: true, original, prefix }, writeResult)
  else if (options.prefix !== undefined) writeResult(`${prefix}\n`)
  const { shell, env } = session
  if (options.prefix !== undefined || !shell || options.dryRun) return undefined
  const facts = factsFor(kind, { dialect: shell.dialect, env })
  const [before, copy] = [await facts(original), await facts(prefix)]
  for (const { message, hint } of [...before.unreadable, ...copy.unreadable]) messages.warning(message, hint)
  const steps = planAgain({ kind, env, original: before, staged: copy })
  const bound = options.keepMinutes !== Number.POSITIVE_INFINITY
  const lease = leaseFor(original, { ...stageOptions(context), env })
  const held = shell.pid === undefined ? undefined : await inheritLease(prefix, { ...lease, bound })
  const all = held && bound ? beforeEnd(steps, exitStep('atExit', bindToShell(held, prefix, session))) : steps
  return await andConda(all, { env }, context)
}

/** The copy of the named archive is what this session has: it needs no further lease. */
async function activeAlready(result: StageResult, context: Context): Promise<undefined> {
  context.messages.info(`Already staged: ${result.prefix} is active`)
  await giveUp(result, context)
}

/** Returns undefined, with a message, if the environment would not gain from a copy. */
export const stageOrSkip = (context: Context): Promise<StageResult | undefined> =>
  unlessLocal(context, async () =>
    context.options.nodes === undefined
      ? await stageAlone(context)
      : await (await import('./nodes.ts')).stageEverywhere(context),
  )

async function stageAlone(context: Context): Promise<StageResult> {
  const { withBase, archive } = context.options
  if (!withBase || archive !== undefined) return await stage(stageOptions(context))
  const { onBase } = await import('./with-base.ts')
  return await onBase(context, {
    stage: (base) => stage({ ...stageOptions(context), ...base }),
    copyOf: (result) => result,
  })
}

async function unlessLocal<T>(context: Context, body: () => Promise<T>): Promise<T | undefined> {
  return await body().catch((error: unknown) => {
    if (error instanceof StageError && error.code === 'ALREADY_LOCAL') return skipped(error, context)
    throw error
  })
}

/** Continuing with the original is no failure. Callers that asked for a prefix to work in get the original's. */
function skipped({ message, path: prefix }: StageError, { options, messages }: Context): undefined {
  messages.info(`${message}. Using it as it is (--no-skip-local stages it anyway)`)
  if (options.json) writeJson({ skipped: true, original: prefix, prefix }, writeResult)
  else if (options.prefix !== undefined) writeResult(`${prefix}\n`)
}

/**
 * Plans the shell's steps to activate the copy. If that fails, the copy is given back.
 * @param more `bound`: the copy is also given back when the session leaves it or ends, by the shell or a process that waits
 */
export async function activation(
  context: Context,
  shell: CallingShell,
  result: StageResult,
  more: { bound: boolean },
): Promise<Step[]> {
  const { options, session, messages, ifUndelivered } = context
  const { prefix, lease: file } = result
  try {
    const kind = (await findStage(prefix))?.record.kind
    const activator = kind === 'venv' ? 'own' : options.activator
    const facts = factsFor(kind, { dialect: shell.dialect, env: session.env })
    const active = activePrefix(session.env)
    const isOnTop = options.archive !== undefined && active !== result.original
    const replaced = isOnTop ? replacedBy(kind, session.env) : result.original
    const [original, staged] = await Promise.all([replaced ? facts(replaced) : NOTHING, facts(prefix)])
    for (const error of [...original.unreadable, ...staged.unreadable]) throw error
    for (const message of original.notTaken) messages.warning(message)
    if (activator === 'conda') {
      for (const facts of [original, staged]) assertCondaCanActivate(facts, shell.dialect)
    }
    const status = statusOfFailure(options)
    const { steps, snapshot } = planStage({
      kind,
      env: session.env,
      ps1: shell.ps1,
      original,
      staged,
      activator,
      isOnTop,
      abandon: {
        argv: [
          '--abandon',
          `--prefix=${prefix}`,
          ...(activator === 'conda' ? ['--activator=conda'] : []),
          ...(status === 1 ? [] : ['--on-failure=continue']),
        ],
        status,
      },
    })
    const isBound = more.bound && (shell.pid ?? options.session) !== undefined
    const held = await saveActivation(file, { snapshot, bound: isBound })
    const dropped = kind === 'venv' ? await (await import('./left-venv.ts')).dropLeft(result, context) : []
    messages.info(`Activating staged ${nounOf(kind)}: ${prefix}`)
    tellIfLittleGained(result, context)
    if (!isBound) await guard(result, session)
    const { nodes } = held.lease
    const first = [...dropped, ...steps]
    const known = nodes ? beforeEnd(first, nodesStep(nodes.names)) : first
    const bound = isBound ? beforeEnd(known, exitStep('atExit', bindToShell(held, prefix, session))) : known
    ifUndelivered(() => giveUp(result, context))
    const all = await andConda(bound, { env: envAfter(session.env, snapshot), main: result }, context)
    return activator === 'conda' ? withoutAutoStaging(all) : all
  } catch (error) {
    await giveUp(result, context)
    throw error
  }
}

/** What a stage that goes on top of it takes the place of: conda has one environment, and a virtual one takes no place. */
export const replacedBy = (kind: EnvironmentKind | undefined, env: Context['session']['env']): string | undefined =>
  kind === 'venv' ? undefined : env.CONDA_PREFIX

/** The shell calls this if it, or conda, could not activate the copy. The reason has been reported by then. */
export async function abandonCommand(context: Context): Promise<undefined> {
  const { options, session, messages } = context
  const caller = callerOf({ options, session })
  const stage = await findStage(options.prefix ?? '')
  const [own] = stage ? leasesOfCaller(caller, await leasesOf(stage.folder)) : []
  await leaveNodes(own?.lease, options.prefix ?? '', context)
  if (own?.lease.companion) await unstage(own.lease.companion).catch(() => {})
  await unstage({ prefix: options.prefix ?? '', cwd: session.cwd, env: session.env, caller })
  const throughConda = options.activator === 'conda'
  const who = throughConda ? 'conda' : 'This shell'
  const message = `${who} could not activate the staged copy ${options.prefix}; the copy was removed`
  const hint = throughConda
    ? "Leave out '--activator=conda', or check that 'conda activate' works in this session."
    : 'Stage from a shell in which these variables are not read-only.'
  if (options.onFailure !== 'continue') throw new StageError('ACTIVATION_FAILED', message, { hint })
  messages.warning(message, hint)
}

const alreadyHere = (prefix: string): StageError =>
  new StageError('ALREADY_STAGED', `${prefix}, which is active, is a copy on this node alone`, {
    path: prefix,
    hint: "Go back first: 'conda-stage --unstage'. Then the call with --nodes uses the copy that is here.",
  })

function noSuchProcess(pid: number): StageError {
  return new StageError('USAGE', `--session=${pid}: no such process runs here`, {
    hint: 'Name a process that lives as long as the copy is used, such as the shell: --session=$$',
  })
}

export function noShellFunction(): StageError {
  return new StageError('NO_SHELL_FUNCTION', 'Only the shell function conda-stage can change this session', {
    lines: ['Load it first:  eval "$(conda-stage --source)"'],
    hint: 'Or stage without activating:  conda-stage --prefix=ENV prints the path of the copy.',
  })
}
