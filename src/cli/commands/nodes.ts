import type { Lease } from '../../leases/lease.ts'
import { activePrefix } from '../../model/active.ts'
import { counted } from '../../model/amounts.ts'
import { type NodesResult, stageOnNodes, unstageOnNodes } from '../../nodes/head.ts'
import { launcherFor } from '../../nodes/launchers.ts'
import { shortList } from '../../nodes/node-list.ts'
import type { Variables } from '../../platform/job.ts'
import { machine } from '../../platform/runtime.ts'
import type { Context } from '../command.ts'
import { progressOf, stageOptions } from '../library-options.ts'

/** Makes the copy on the nodes that --nodes names, and here. @throws StageError NODES_FAILED, and as stage() */
export async function stageEverywhere(context: Context): Promise<NodesResult> {
  const { options, session, signal, messages } = context
  const launcher = await launcherFor(options.launcher, surroundings(session.env))
  const nodes = await launcher.nodes(options.nodes!)
  const request = {
    launcher,
    nodes,
    onFailure: options.onNodeFailure,
    program: session.launcher,
    platform: machine().platform,
    isLocalNamed: options.path !== undefined || Boolean(session.env.CONDA_STAGE_PATH),
  }
  // Other nodes lack an original that is local here.
  const given = { ...stageOptions(context), skipLocal: false }
  const result = await stageOnNodes(request, { ...given, env: session.env, onProgress: given.onProgress!, signal })
  messages.info(`The copy is on ${counted(result.nodes.length, 'node')}: ${shortList(result.nodes)}`)
  if (result.nodes.length < nodes.length && launcher.onThese !== undefined)
    messages.info(`Programs for these nodes alone: ${launcher.onThese} ...`)
  return result
}

/** Leaves the copies on the nodes that a session's lease names. Nodes on which that fails are named. */
export async function leaveNodesOf(
  { nodes, holder: { job } }: Pick<Lease, 'holder'> & { nodes: NonNullable<Lease['nodes']> },
  prefix: string,
  context: Pick<Context, 'options' | 'session' | 'messages' | 'atEnd' | 'archives'>,
): Promise<void> {
  const { session, messages } = context
  // The process that waits for the session's end is no part of its job.
  const here = surroundings({ ...session.env, ...(job && { [job.variable]: job.id }) })
  const caller = { ...here, launcher: await launcherFor(nodes.launcher, here), program: session.launcher }
  const failures = await unstageOnNodes(nodes, prefix, caller, progressOf(context))
  for (const [node, why] of failures)
    messages.warning(
      `${prefix} may still be on node ${node}: ${why}`,
      'When the job has ended, the next conda-stage on that node removes it.',
    )
}

const surroundings = (env: Variables) => ({ env: variablesFor(env), host: machine().host })

/** Without what would have programs on the nodes look into the environment that is active here. */
function variablesFor(env: Variables): Variables {
  const prefix = activePrefix(env)
  const { CONDA_PREFIX: _, VIRTUAL_ENV: __, LD_PRELOAD: ___, ...others } = env
  const libraries = env.LD_LIBRARY_PATH?.split(':').filter((folder) => !`${folder}/`.startsWith(`${prefix}/`))
  return { ...others, LD_LIBRARY_PATH: libraries?.join(':') || undefined }
}
