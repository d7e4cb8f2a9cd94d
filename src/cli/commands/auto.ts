import { shellLevel } from '../../activate/state.ts'
import type { Step } from '../../activate/steps.ts'
import { exitStep } from '../../auto-stage/exit-step.ts'
import { namesOfBase } from '../../environment/conda-folders.ts'
import { originalInSession } from '../../pipeline/activation.ts'
import { findStage } from '../../stage/record.ts'
import type { Command, Context } from '../command.ts'
import { sayLines } from '../render/messages.ts'
import { condaAlone } from './and-conda.ts'
import { leaveCopy } from './leave-copy.ts'
import { NO_NODES } from './leave-nodes.ts'
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
  if (result === undefined) return await condaAlone(context)
  const bound = options.autoUnstage === true && options.keepMinutes !== Number.POSITIVE_INFINITY
  return await activation(context, shell, result, { bound })
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
  // conda goes on to run from here: what it prints sets its variables again, after this script.
  if (session.shell && namesOfBase(session.env).includes(prefix)) {
    messages.verbose(`${prefix} stays: conda runs from it`)
    return undefined
  }
  const left = await leaveCopy(prefix, options.session, context)
  if (left === undefined) return undefined
  const end: Step[] = [exitStep('notAtExit', left.bound), { op: 'return', status: 0 }]
  return left.lease.nodes ? [NO_NODES, ...end] : end
}
