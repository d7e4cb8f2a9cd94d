import { serveHead } from '../../nodes/agent.ts'
import { joinExchange } from '../../nodes/exchange-channel.ts'
import { PipedChannel } from '../../nodes/piped-channel.ts'
import { machine } from '../../platform/runtime.ts'
import type { Context } from '../command.ts'
import { writeData } from '../render/messages.ts'

/** A file descriptor. */
const STANDARD_INPUT = 0

/**
 * What --nodes starts on each node: it does what the calling program says, and answers. The two speak through standard input and
 * output, or through a folder.
 */
export async function onNodeCommand({ options: { exchange }, session, signal }: Context): Promise<undefined> {
  const { env, uid } = session
  const { host, platform } = machine()
  // In Slurm, a node may have another name than its machine.
  const name = env.SLURMD_NODENAME || host
  const channel =
    exchange === undefined
      ? new PipedChannel(name, { input: STANDARD_INPUT, write: writeData, signal })
      : joinExchange(exchange, { host: name, uid, signal })
  if (channel) await serveHead({ env, uid, platform, channel, signal })
}
