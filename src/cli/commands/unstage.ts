import { resolve } from 'node:path'
import { readFacts } from '../../activate/facts.ts'
import { findStaged, planUnstage } from '../../activate/plan.ts'
import type { Snapshot } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import { assertCondaCanActivate } from '../../activate/through-conda.ts'
import { exitStep } from '../../auto-stage/exit-step.ts'
import { withoutAutoStaging } from '../../auto-stage/guard.ts'
import { StageError } from '../../errors.ts'
import { wholeSeconds } from '../../model/amounts.ts'
import { stagesOf } from '../../pipeline/activation.ts'
import { boundOf, isThere, otherShell } from '../../pipeline/bind-to-shell.ts'
import { unstage } from '../../pipeline.ts'
import { findStage, type StageRecord } from '../../stage/record.ts'
import type { Context } from '../command.ts'
import { confirmLoss } from '../confirm-loss.ts'
import { progressOf } from '../library-options.ts'
import { writeData } from '../render/messages.ts'
import { noShellFunction } from './stage.ts'
import { sweeper } from './sweep.ts'

/** Makes the shell go back to the original and then call --finish-unstage. With --prefix it only removes that copy. */
export async function unstageCommand(context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  if (options.prefix !== undefined) {
    const named = await findStage(resolve(session.cwd, options.prefix))
    if (named) assertOriginalThere(named.record, context)
    if (named) await confirmLoss(named, context)
    const result = await unstage({ prefix: options.prefix, cwd: session.cwd, onProgress: progressOf(context) })
    if (options.json) writeData(`${JSON.stringify(result)}\n`)
    return undefined
  }
  const stages = await stagesOf(session.env)
  const found = findStaged(session.env, (prefix) => stages.has(prefix))
  if (found.where === 'none') throw notStaged(session.env.CONDA_PREFIX)
  if (found.where === 'beneath') throw beneath(found.prefix)
  const { shell } = session
  if (!shell) throw noShellFunction()
  const stage = stages.get(found.prefix)!
  const { record } = stage
  assertOriginalThere(record, context)
  await confirmLoss(stage, context)
  messages.info('Unstaging and reverting to original conda environment ...')
  messages.info(`Original conda environment: ${record.original}`)
  const facts = (prefix: string) => readFacts(prefix, shell.dialect, session.env.PATH)
  const [original, staged] = await Promise.all([facts(record.original), facts(found.prefix)])
  for (const { message } of original.unreadable) messages.warning(message)
  if (options.activator === 'conda') assertCondaCanActivate(original, shell.dialect)
  const user = otherShell(stage, shell.pid)
  const { steps } = planUnstage({
    env: session.env,
    ps1: shell.ps1,
    original,
    staged,
    snapshot: record.activation as Snapshot | undefined,
    activator: options.activator,
    ...(!user && {
      remove: ['--finish-unstage', `--prefix=${record.prefix}`, `--since=${Date.now()}`, ...passedOn(context)],
    }),
  })
  if (user) {
    messages.info(`Activating original conda environment: ${record.original}`)
    messages.info(`The copy stays: the shell that staged it still runs (process ${user.pid})`)
    if (options.json) writeData(`${JSON.stringify({ original: record.original, prefix: record.prefix, kept: true })}\n`)
  }
  const bound = user ? undefined : boundOf(stage)
  const all: Step[] = bound ? [exitStep('notAtExit', bound), ...steps] : steps
  return options.activator === 'conda' ? withoutAutoStaging(all) : all
}

/** The shell calls this when it has left the copy and is back in the original. */
export async function finishUnstageCommand(context: Context): Promise<undefined> {
  const { options, session, messages } = context
  const given = { prefix: options.prefix ?? '', cwd: session.cwd, onProgress: progressOf(context) }
  const { original } = await unstage(given, sweeper(session))
  messages.info(`Activating original conda environment: ${original}`)
  const seconds = (Date.now() - (options.since ?? Date.now())) / 1000
  messages.info(`Total unstage time: ${wholeSeconds(seconds)}`)
  if (options.json) writeData(`${JSON.stringify({ original, prefix: options.prefix })}\n`)
}

const passedOn = ({ options }: Context): string[] => [
  ...(options.verbosity === 'normal' ? [] : [`--${options.verbosity}`]),
  ...(options.json ? ['--json'] : []),
]

/** The copy may be the last one. */
function assertOriginalThere({ original, prefix }: StageRecord, { options }: Context): void {
  if (options.force || isThere(original)) return
  throw new StageError(
    'ORIGINAL_GONE',
    `The original environment ${original} is gone or can't be reached. Its copy ${prefix} was not removed`,
    {
      path: original,
      hint: "Save what you need from the copy. 'conda-stage --unstage --force' removes it; 'conda deactivate' leaves it.",
    },
  )
}

function notStaged(active: string | undefined): StageError {
  const what = active ? `the active environment ${active} is not a staged copy` : 'no environment is active'
  return new StageError('NOT_STAGED', `Nothing to unstage: ${what}`, {
    ...(active && { path: active }),
    hint: 'To remove a copy that is not active: conda-stage --unstage --prefix=STAGED',
  })
}

function beneath(prefix: string): StageError {
  return new StageError(
    'NOT_STAGED',
    `The staged copy ${prefix} is not on top: another environment was activated after it`,
    {
      path: prefix,
      hint: "Leave that environment first ('conda deactivate'), then run 'conda-stage --unstage' again.",
    },
  )
}
