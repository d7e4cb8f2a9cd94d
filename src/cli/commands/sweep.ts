import { spawn } from 'node:child_process'
import { jobId } from '../../platform/job.ts'
import { sweepDebris } from '../../stage/sweep.ts'
import type { Context } from '../command.ts'
import type { Session } from '../session.ts'

/** Removes what is left of copies in a local folder. */
export async function sweepCommand({ options, session, messages }: Context): Promise<undefined> {
  for (const removed of await sweepDebris(options.path ?? '', session)) messages.debug(`Removed ${removed}`)
}

/**
 * Has a process of its own do it, for which nobody waits. Should that be killed, the next conda-stage in the folder does it.
 * Undefined in a job: with that everything ends that it has started, and perhaps no conda-stage comes to this node again.
 */
export function sweeper({ launcher, env }: Session): ((local: string) => void) | undefined {
  if (jobId(env)) return undefined
  return (local) => {
    const options = { cwd: '/', detached: true, stdio: 'ignore', env } as const
    const child = spawn(launcher, ['--sweep', `--path=${local}`], options)
    child.on('error', () => {}) // then the next one does it
    child.unref()
  }
}
