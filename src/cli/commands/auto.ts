import { shellLevel } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import { exitStep } from '../../auto-stage/exit-step.ts'
import { originalInSession } from '../../pipeline/activation.ts'
import { leave } from '../../pipeline/bind-to-shell.ts'
import { unstage } from '../../pipeline.ts'
import { losesChanges } from '../../stage/changes.ts'
import { findStage } from '../../stage/record.ts'
import type { Command, Context } from '../command.ts'
import { progressOf } from '../library-options.ts'
import { sayLines } from '../render/messages.ts'
import { shellWord } from '../render/shell-word.ts'
import { leaveNodes, NO_NODES } from './leave-nodes.ts'
import { survivable } from './on-failure.ts'
import { activation, stageOrSkip } from './stage.ts'

/**
 * The script in the original's activate.d calls this. Whatever happens, the activation continues. A virtual environment that is
 * active, too, is not meant.
 */
export const autoCommand: Command = survivable((context) => {
  const { VIRTUAL_ENV: _, ...env } = context.session.env
  return autoStageActive({ ...context, session: { ...context.session, env } })
})

async function autoStageActive(context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  const { shell, env } = session
  if (!shell || (env.CONDA_PREFIX && (await findStage(env.CONDA_PREFIX)))) return undefined
  if (options.verbosity !== 'quiet') {
    const name = env.CONDA_DEFAULT_ENV || env.CONDA_PREFIX
    sayLines([`Auto staging conda environment '${name}'. To disable, call 'conda-stage --auto-stage=disable'`])
  }
  const copy = await copyBeneath(env)
  if (copy) {
    messages.info(`This session already has a staged copy; going back to it: ${copy}`)
    const end: Step = { op: 'return', status: 0 }
    return [{ op: 'conda', argv: ['deactivate'], prefix: { is: copy }, otherwise: [end] }, end]
  }
  const result = await stageOrSkip(context)
  if (result === undefined) return undefined
  return await activation(context, shell, result, { bound: options.autoUnstage === true })
}

/** conda counts an environment that is activated twice once. Ours would count twice, because the copy has another path. */
async function copyBeneath(env: Context['session']['env']): Promise<string | undefined> {
  const prefix = env[`CONDA_PREFIX_${shellLevel(env) - 1}`]
  const stage = prefix ? await findStage(prefix) : undefined
  return stage && (await originalInSession(stage, { env })) === env.CONDA_PREFIX ? prefix : undefined
}

/** Called by the script in the copy's deactivate.d, and when the session's shell has ended. */
export async function leaveCommand(context: Context): Promise<Step[] | undefined> {
  const { options, session, messages } = context
  const prefix = options.prefix ?? ''
  const left = await leave(prefix, options.session, session)
  if (left === undefined) return undefined
  if (left.state === 'shared') messages.verbose(`${prefix} stays: others use it`)
  else if (left.state === 'kept') messages.verbose(`${prefix} stands for the next one`)
  else if (left.state === 'used')
    messages.info(`Programs are still running from ${prefix}: it will be removed when they end`)
  else if (left.state === 'last')
    messages.warning(
      `${prefix} is kept, because its original ${left.original} is gone. To remove it: conda-stage --unstage --force --prefix=${shellWord(prefix)}`,
    )
  else if (left.state === 'free' && !(await isKept(prefix, context))) await remove(prefix, context)
  // While programs run from it, the lease stays, and so does what it says.
  if (left.state !== 'used') await leaveNodes(left.lease, prefix, context)
  const end: Step[] = [exitStep('notAtExit', left.bound), { op: 'return', status: 0 }]
  return left.lease.nodes ? [NO_NODES, ...end] : end
}

/** Of several that leave at the same time, each may see that nobody uses the copy any more. */
async function remove(prefix: string, context: Context): Promise<void> {
  await unstage({ prefix, cwd: context.session.cwd, onProgress: progressOf(context) }).catch(async (error: unknown) => {
    if (await findStage(prefix)) throw error
  })
}

/** Nobody can be asked when a session ends: a copy stays if what the user did in it would be lost. */
async function isKept(prefix: string, { messages }: Context): Promise<boolean> {
  const stage = await findStage(prefix)
  if (!stage || !(await losesChanges(stage))) return false
  messages.warning(
    `${prefix} is kept, because files in it were changed. To remove it: conda-stage --unstage --prefix=${shellWord(prefix)}`,
  )
  return true
}
