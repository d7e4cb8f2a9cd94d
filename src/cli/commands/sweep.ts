import { spawn } from 'node:child_process'
import { jobId } from '../../platform/job.ts'
import { sweepDebris } from '../../stage/sweep.ts'
import type { Context } from '../command.ts'
import type { Session } from '../session.ts'

/** Removes the remains of copies in a local folder. */
export async function sweepCommand({ options, session, messages }: Context): Promise<undefined> {
  for (const removed of await sweepDebris(options.path ?? '', session)) messages.debug(`Removed ${removed}`)
}

/**
 * Starts a process of its own for the removal, so that nobody waits for it. If that process is killed, the next conda-stage
 * in the folder finishes the work. Undefined in a job: the job's end kills what the job started, and perhaps no conda-stage
 * ever runs on this node again.
 */
export function sweeper({ launcher, env }: Session): ((local: string) => void) | undefined {
  if (jobId(env)) return undefined
  return (local) => {
    const options = { cwd: '/', detached: true, stdio: 'ignore', env } as const
    const child = spawn(launcher, ['--sweep', `--path=${local}`], options)
    child.on('error', () => {}) // The next conda-stage will do it.
    child.unref()
  }
}
