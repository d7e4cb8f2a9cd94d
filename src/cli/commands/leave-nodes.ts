import type { Step } from '../../activate/steps.ts'
import { type Lease, readLease } from '../../leases/lease.ts'
import type { StageResult } from '../../pipeline/options.ts'
import { unstage } from '../../pipeline.ts'
import type { Context } from '../command.ts'

/** In the session: the nodes that have its copy. */
const NODES = 'CONDA_STAGE_NODES'

export const nodesStep = (names: readonly string[]): Step => ({ op: 'export', name: NODES, value: names.join(',') })
export const NO_NODES: Step = { op: 'unset', name: NODES }

type Surroundings = Pick<Context, 'options' | 'session' | 'messages' | 'atEnd' | 'archives'>

/** Leaves the copies on the nodes that a lease names, if it names any. Nodes on which that fails are named. */
export async function leaveNodes(
  lease: Pick<Lease, 'nodes' | 'holder'> | undefined,
  prefix: string,
  context: Surroundings,
): Promise<void> {
  if (lease?.nodes) await (await import('./nodes.ts')).leaveNodesOf({ ...lease, nodes: lease.nodes }, prefix, context)
}

/** Gives a copy up that can't be used after all. */
export async function giveUp(
  { prefix, lease }: Pick<StageResult, 'prefix' | 'lease'>,
  context: Surroundings,
): Promise<void> {
  await leaveNodes((await readLease(lease))?.lease, prefix, context).catch(() => {})
  await unstage({ prefix, lease }).catch(() => {})
}
