import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A process, and when it started, in clock ticks after boot. */
interface Watched {
  pid: number
  started: string
}

export interface Watch {
  launcher: string
  /** The staged prefix. */
  prefix: string
  /** A file that is there as long as the stage is. */
  marker: string
  processes: readonly Watched[]
  env: Readonly<Record<string, string | undefined>>
}

/**
 * Leaves a process behind that waits for these to end and then removes the stage. It is of a session of its own, keeps nothing
 * of the caller's open, and takes no memory to speak of.
 *
 * It is what remains where the shell can't do so itself when it ends: after SIGKILL, and where the session has replaced
 * its EXIT trap. Where a scheduler kills all that a job has left, that is this one too; sweepDebris does it then.
 */
export function watch({ launcher, prefix, marker, processes, env }: Watch): void {
  const script = fileURLToPath(new URL('./templates/watch.sh', import.meta.url))
  const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
  const ids = processes.flatMap(({ pid, started }) => [String(pid), started])
  const { LD_PRELOAD, LD_LIBRARY_PATH, BASH_ENV, ...rest } = env
  spawn(shell, [script, launcher, prefix, marker, ...ids], {
    cwd: '/',
    detached: true,
    stdio: 'ignore',
    // `sleep` must not be the environment's own.
    env: { ...rest, PATH: `/usr/bin:/bin:${env.PATH ?? ''}` },
  }).unref()
}
