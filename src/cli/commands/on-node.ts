import { serveHead } from '../../nodes/agent.ts'
import { machine } from '../../platform/runtime.ts'
import type { Context } from '../command.ts'
import { writeData } from '../render/messages.ts'

/** A file descriptor. */
const STANDARD_INPUT = 0

/** What --nodes starts on each node: it does what the calling program says, and answers on standard output. */
export async function onNodeCommand({ session: { env, uid }, signal }: Context): Promise<undefined> {
  const { host, platform } = machine()
  // In Slurm, a node may have another name than its machine.
  const node = env.SLURMD_NODENAME || host
  await serveHead({ node, env, uid, platform, input: STANDARD_INPUT, write: writeData, signal })
}
