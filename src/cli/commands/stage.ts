import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import type { CallingShell } from '../../activate/call.ts'
import { readFacts } from '../../activate/facts.ts'
import { planAgain, planStage } from '../../activate/plan.ts'
import type { Step } from '../../activate/steps.ts'
import { assertCondaCanActivate } from '../../activate/through-conda.ts'
import { beforeEnd, exitStep } from '../../auto-stage/exit-step.ts'
import { withoutAutoStaging } from '../../auto-stage/guard.ts'
import { StageError } from '../../errors.ts'
import { saveActivation } from '../../pipeline/activation.ts'
import { bindToShell, noteShell } from '../../pipeline/bind-to-shell.ts'
import type { StageResult } from '../../pipeline/options.ts'
import { stage, unstage } from '../../pipeline.ts'
import { findStage } from '../../stage/record.ts'
import type { Context } from '../command.ts'
import { stageOptions } from '../library-options.ts'
import { writeData } from '../render/messages.ts'
import { shellWord } from '../render/shell-word.ts'
import { dryRun } from './dry-run.ts'

/** A file descriptor. */
const STANDARD_OUTPUT = 1

/** Stages the active environment and makes the shell activate the copy. With --prefix it only prints the copy's path. */
export async function stageCommand(context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  const { shell } = session
  if (options.prefix === undefined && !shell && !options.dryRun) throw noShellFunction()
  const staged = await findStage(resolve(session.cwd, options.prefix ?? session.env.CONDA_PREFIX ?? ''))
  if (staged) return await alreadyStaged(staged.record, context)
  if (options.dryRun) return await unlessLocal(context, () => dryRun(context))
  const active = session.env.CONDA_PREFIX
  if (options.activator === 'conda' && shell && active && options.prefix === undefined)
    assertCondaCanActivate({ prefix: active }, shell.dialect)
  const result = await stageOrSkip(context)
  if (result === undefined) return undefined
  if (options.json) writeData(`${JSON.stringify(result)}\n`)
  else if (options.prefix !== undefined) writeData(`${result.prefix}\n`)
  // A person at a terminal may have expected more; a program has not.
  if (options.prefix !== undefined && isatty(STANDARD_OUTPUT))
    messages.info(`Not activated. To remove the copy: conda-stage --unstage --prefix=${shellWord(result.prefix)}`)
  if (options.prefix !== undefined || !shell) return undefined
  const steps = await activation(context, shell, result)
  return options.keep ? steps : await bound(steps, result.prefix, shell.pid, context)
}

/** The copy goes with the session: its shell removes it, or a process that waits for the shell's end. */
export async function bound(
  steps: Step[],
  prefix: string,
  pid: number | undefined,
  { session }: Context,
): Promise<Step[]> {
  if (pid === undefined) return steps
  try {
    return beforeEnd(steps, exitStep('atExit', await bindToShell(prefix, pid, session)))
  } catch (error) {
    await unstage({ prefix })
    throw error
  }
}

/** A job script may call another that stages too, and automatic staging may have been first: no failure. */
async function alreadyStaged(
  { prefix, original }: { prefix: string; original: string },
  { options, session, messages }: Context,
): Promise<Step[] | undefined> {
  messages.info(`Already staged: ${prefix} is the copy of ${original}`)
  if (options.json) writeData(`${JSON.stringify({ skipped: true, original, prefix })}\n`)
  else if (options.prefix !== undefined) writeData(`${prefix}\n`)
  const { shell, env } = session
  if (options.prefix !== undefined || !shell || options.dryRun) return undefined
  const facts = (folder: string) => readFacts(folder, shell.dialect, env.PATH)
  return planAgain({ env, original: await facts(original), staged: await facts(prefix) })
}

/** Returns undefined, with a message, if the environment would not gain from a copy. */
export const stageOrSkip = (context: Context): Promise<StageResult | undefined> =>
  unlessLocal(context, () => stage(stageOptions(context)))

async function unlessLocal<T>(context: Context, body: () => Promise<T>): Promise<T | undefined> {
  return await body().catch((error: unknown) => {
    if (error instanceof StageError && error.code === 'ALREADY_LOCAL') return skipped(error, context)
    throw error
  })
}

/** Continuing with the original is no failure. Callers that asked for a prefix to work in get the original's. */
function skipped({ message, path: prefix }: StageError, { options, messages }: Context): undefined {
  messages.info(`${message}. Using it as it is (--no-skip-local stages it anyway)`)
  if (options.json) writeData(`${JSON.stringify({ skipped: true, original: prefix, prefix })}\n`)
  else if (options.prefix !== undefined) writeData(`${prefix}\n`)
}

/** Plans the shell's steps to activate the copy. If that fails, the copy is removed. */
export async function activation(
  { options, session, messages }: Context,
  shell: CallingShell,
  result: StageResult,
): Promise<Step[]> {
  try {
    const facts = (prefix: string) => readFacts(prefix, shell.dialect, session.env.PATH)
    const [original, staged] = await Promise.all([facts(result.original), facts(result.prefix)])
    for (const error of original.unreadable) throw error
    for (const message of original.notTaken) messages.warning(message)
    if (options.activator === 'conda') {
      for (const facts of [original, staged]) assertCondaCanActivate(facts, shell.dialect)
    }
    const { steps, snapshot } = planStage({
      env: session.env,
      ps1: shell.ps1,
      original,
      staged,
      activator: options.activator,
      abandon: ['--abandon', `--prefix=${result.prefix}`],
    })
    await saveActivation(result.prefix, snapshot)
    if (shell.pid !== undefined) await noteShell(result.prefix, shell.pid)
    messages.info(`Activating staged conda environment: ${result.prefix}`)
    return options.activator === 'conda' ? withoutAutoStaging(steps) : steps
  } catch (error) {
    await unstage({ prefix: result.prefix })
    throw error
  }
}

/** The shell calls this if conda could not activate the copy. conda has reported its reason by then. */
export async function abandonCommand({ options, session }: Context): Promise<undefined> {
  await unstage({ prefix: options.prefix ?? '', cwd: session.cwd })
  throw new StageError(
    'ACTIVATION_FAILED',
    `conda could not activate the staged copy ${options.prefix}; the copy was removed`,
    {
      hint: "Leave out '--activator=conda', or check that 'conda activate' works in this session.",
    },
  )
}

export function noShellFunction(): StageError {
  return new StageError('NO_SHELL_FUNCTION', 'Only the shell function conda-stage can change this session', {
    hint: [
      'Load it first:  eval "$(conda-stage --source)"',
      '       Or stage without activating:  conda-stage --prefix=ENV prints the path of the copy.',
    ].join('\n'),
  })
}
