import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, unlinkSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StageError } from '../errors.ts'
import { monotonicMs } from '../platform/clock.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { findProgram } from '../platform/find-program.ts'
import type { Variables } from '../platform/job.ts'
import { imagesMountedBelow } from '../platform/own-mounts.ts'
import { identityOf, type ProcessIdentity } from '../platform/process-identity.ts'

export interface Mounter {
  /** `squashfuse_ll`. */
  program: string
  env: Variables
}

/**
 * Finds what mounts an image in the open for an ordinary user. Nothing is mounted for the look. Plain `squashfuse` is not taken: it
 * knows files by path, which makes each look-up several.
 * (https://github.com/vasi/squashfuse)
 * @param without prefixes of environments whose own programs are not taken
 * @throws StageError NOT_MOUNTED, NO_PROGRAM
 */
export async function findMounter(env: Variables, without: readonly string[]): Promise<Mounter> {
  const program = await findProgram(['squashfuse_ll'], { env, variable: 'CONDA_STAGE_SQUASHFUSE', without })
  if (program === undefined) throw notMounted('there is no squashfuse_ll here (package squashfuse)')
  const closed = await access('/dev/fuse', constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: unknown) => errnoOf(error) ?? 'EACCES',
  )
  if (closed !== undefined) throw notMounted(`/dev/fuse can't be used: ${meaningOf(closed)}`)
  return { program, env }
}

export const notMounted = (why: string): StageError =>
  new StageError('NOT_MOUNTED', why, { hint: 'Stage without --mount.' })

/** No set-uid program and no device of an image has any effect, whoever made it. */
const OPTIONS = 'ro,nosuid,nodev,fsname=conda-stage,subtype=squashfuse_ll'

/** Mounting takes some milliseconds. A program that has not done it by then waits for something else. */
const PATIENCE_MS = 10_000
const POLL_MS = 2

export interface MountRequest {
  image: string
  /** A folder of the user's, with symbolic links resolved. Nothing is mounted there. */
  prefix: string
  /** A file that does not exist yet, for what the server says while it starts. */
  log: string
  uid: number
  signal?: AbortSignal | undefined
}

/**
 * Mounts an image, and leaves its server behind: in a session of its own, with none of the caller's descriptors, and without the
 * variables by which it would count as one of the job's processes. It is started in the foreground (`-f`), because a server that
 * makes itself a daemon tells nobody its number.
 * @throws StageError NOT_MOUNTED, CANCELLED
 */
export async function mountImage(
  { program, env }: Mounter,
  { image, prefix, log, uid, signal }: MountRequest,
): Promise<ProcessIdentity> {
  const said = openSync(log, 'wx', 0o600)
  const child = spawn(program, ['-f', '-o', OPTIONS, image, prefix], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', said, said],
    env: serverVariables(env),
  })
  closeSync(said)
  let ended: string | undefined
  child.on('error', (error) => {
    ended = error.message
  })
  child.on('exit', (code, by) => {
    ended ??= lastLine(log) ?? `it ended with ${code ?? by}`
  })
  try {
    for (const begun = monotonicMs(); ended === undefined; await sleep(POLL_MS)) {
      const isMounted = imagesMountedBelow(dirname(prefix), uid).includes(prefix)
      if (isMounted && child.pid !== undefined) return identityOf(child.pid)
      if (signal?.aborted) throw cancelled(prefix, signal)
      if (monotonicMs() - begun > PATIENCE_MS) ended = `it has not mounted within ${PATIENCE_MS / 1000} s`
    }
    throw notMounted(`${program} failed: ${ended}`)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    child.unref()
    unlinkSync(log)
  }
}

/** Libraries may be needed if a module has brought the program. */
const serverVariables = ({ PATH, LD_LIBRARY_PATH }: Variables): Record<string, string> => ({
  PATH: ['/usr/bin:/bin:/usr/sbin:/sbin', PATH].filter(Boolean).join(':'),
  LC_ALL: 'C',
  ...(LD_LIBRARY_PATH !== undefined && { LD_LIBRARY_PATH }),
})

function lastLine(log: string): string | undefined {
  return readFileSync(log, 'utf8').trim().split('\n').at(-1) || undefined
}

const cancelled = (prefix: string, { reason }: AbortSignal): StageError =>
  new StageError('CANCELLED', `Mounting ${prefix} was cancelled`, {
    path: prefix,
    hint: 'Nothing was left behind; the original environment is as it was.',
    cause: reason,
  })
