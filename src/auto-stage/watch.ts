import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { jobOf } from '../platform/job.ts'
import { startAtEnd } from '../platform/leave.ts'

/** A process and its start, in clock ticks after boot. */
interface Watched {
  pid: number
  started: string
}

export interface Watch {
  /** Empty: nothing is removed in the end. */
  launcher: string
  /** The staged prefix. */
  prefix: string
  /** A file that exists as long as they use the stage. */
  marker: string
  processes: readonly Watched[]
  env: Readonly<Record<string, string | undefined>>
}

/**
 * Leaves a process behind, when this one ends, that waits for the given processes to end and then removes the stage. It has a session
 * of its own, keeps none of the caller's descriptors open, and uses little memory.
 *
 * It does what the shell itself can't: after SIGKILL, and if the session has replaced its EXIT trap. A scheduler may kill
 * this process together with the job; the next sweepDebris in that folder then removes the stage.
 */
export function watch({ launcher, prefix, marker, processes, env }: Watch): void {
  const script = fileURLToPath(new URL('./templates/watch.sh', import.meta.url))
  const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
  const ids = processes.flatMap(({ pid, started }) => [String(pid), started])
  const { LD_PRELOAD, LD_LIBRARY_PATH, BASH_ENV, ...others } = env
  // By this variable a process counts as one of its job. This one may outlive it.
  // Nor is it one that would call conda from a copy.
  const { [jobOf(env)?.variable ?? '']: _, CONDA_EXE, _CONDA_EXE, ...rest } = others
  startAtEnd({
    argv: [shell, script, launcher, prefix, marker, ...ids],
    // Not the environment's own `sleep`.
    env: { ...rest, PATH: `/usr/bin:/bin:${env.PATH ?? ''}` },
  })
}
