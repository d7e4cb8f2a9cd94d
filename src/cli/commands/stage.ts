import { resolve } from 'node:path'
import type { CallingShell } from '../../activate/call.ts'
import { type PrefixFacts, readFacts } from '../../activate/facts.ts'
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

/** Stages the active environment and has the shell activate the copy; with --prefix only prints where the copy is. */
export async function stageCommand(context: Context): Promise<Step[] | undefined> {
  const { options, session } = context
  const { shell } = session
  if (options.prefix === undefined && !shell) throw noShellFunction()
  const staged = await findStage(resolve(session.cwd, options.prefix ?? session.env.CONDA_PREFIX ?? ''))
  if (staged) return alreadyStaged(staged.record, context)
  const active = session.env.CONDA_PREFIX
  if (options.activator === 'conda' && shell && active && options.prefix === undefined)
    assertCondaCanActivate({ prefix: active }, shell.dialect)
  const result = await stageOrSkip(context)
  if (result === undefined) return undefined
  if (options.json) writeData(`${JSON.stringify(result)}\n`)
  else if (options.prefix !== undefined) writeData(`${result.prefix}\n`)
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
function alreadyStaged(
  { prefix, original }: { prefix: string; original: string },
  { options, session, messages }: Context,
): Step[] | undefined {
  messages.info(`Already staged: ${prefix} is the copy of ${original}`)
  if (options.json) writeData(`${JSON.stringify({ skipped: true, original, prefix })}\n`)
  else if (options.prefix !== undefined) writeData(`${prefix}\n`)
  const { shell, env } = session
  if (options.prefix !== undefined || !shell) return undefined
  const facts = (folder: string) => readFacts(folder, shell.dialect, env.PATH)
  return planAgain({ env, original: facts(original), staged: facts(prefix) })
}

/** undefined where the environment would not gain, which is told. */
export async function stageOrSkip(context: Context): Promise<StageResult | undefined> {
  return await stage(stageOptions(context)).catch((error: unknown) => {
    if (error instanceof StageError && error.code === 'ALREADY_LOCAL') return skipped(error, context)
    throw error
  })
}

/** Going on with the original is no failure. Who asked for a prefix to work in gets that one. */
function skipped({ message, path: prefix }: StageError, { options, messages }: Context): undefined {
  messages.info(`${message}. It is used as it is (--no-skip-local stages it all the same)`)
  if (options.json) writeData(`${JSON.stringify({ skipped: true, original: prefix, prefix })}\n`)
  else if (options.prefix !== undefined) writeData(`${prefix}\n`)
}

/** What the shell has to do to activate the copy, which is removed where that can't be told. */
export async function activation(
  { options, session, messages }: Context,
  shell: CallingShell,
  result: StageResult,
): Promise<Step[]> {
  try {
    const [original, staged] = [result.original, result.prefix].map((prefix) =>
      readFacts(prefix, shell.dialect, session.env.PATH),
    ) as [PrefixFacts, PrefixFacts]
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

/** What the shell calls where conda could not activate the copy, which it has told by then. */
export async function abandonCommand({ options, session }: Context): Promise<undefined> {
  await unstage({ prefix: options.prefix ?? '', cwd: session.cwd })
  throw new StageError(
    'ACTIVATION_FAILED',
    `conda could not activate the staged copy ${options.prefix}, which was removed`,
    {
      hint: "Leave out '--activator=conda', or see whether 'conda activate' works in this session.",
    },
  )
}

export function noShellFunction(): StageError {
  return new StageError('NO_SHELL_FUNCTION', 'only the shell function conda-stage can change this session', {
    hint: [
      'Load it first:  eval "$(conda-stage --source)"',
      '       Or leave the session as it is:  conda-stage --prefix=ENV prints the path of the copy.',
    ].join('\n'),
  })
}
