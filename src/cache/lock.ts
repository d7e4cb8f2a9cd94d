import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { asWriteFailure } from '../archive/failure.ts'
import { StageError } from '../errors.ts'
import { lockNameOf } from '../model/file-names.ts'
import { describeUser } from '../platform/accounts.ts'
import { monotonicMs } from '../platform/clock.ts'
import { errnoOf } from '../platform/errno.ts'
import { mkdir } from '../platform/remote-fs.ts'
import { holdLock, lookAtLock, removeLock, type SeenLock } from './lock-folder.ts'

export interface LockOptions {
  signal?: AbortSignal
  /** Called once, when another packer holds the lock and we begin to wait. */
  onWait?(lock: string): void
  /**
   * The users whose archives are of use to us, root's always are. Nobody waits for a packer of another user. Default: all.
   */
  owners?: readonly number[]
  /** How long to wait for a living packer before LOCKED is thrown. Default: half an hour. */
  patienceMs?: number
  /** A lock that was not renewed while we looked at it for this long belongs to a dead packer. Default: 20 s. */
  staleMs?: number
}

const PATIENCE_MS = 30 * 60 * 1000
const STALE_MS = 20_000
const POLL_MS = 500

/**
 * Runs `body` while no other process, on any node, holds the archive's lock. The lock is a folder `.NAME.lock` beside the
 * archive, because mkdir is atomic on network file systems too. It is renewed while `body` runs. So the lock of a packer that
 * was killed can be recognised and taken over, whatever the nodes' clocks say.
 *
 * The lock saves work, and nothing depends on it: each packer writes a file of its own, and renaming is atomic. So losing it
 * does no harm.
 * @throws StageError LOCKED, CANCELLED, ARCHIVE_UNWRITABLE, NO_SPACE; what `body` throws comes through.
 */
export async function withArchiveLock<T>(path: string, options: LockOptions, body: () => Promise<T>): Promise<T> {
  const release = await acquire(path, options).catch((error: unknown) => {
    throw asWriteFailure(error, path)
  })
  try {
    return await body()
  } finally {
    await release()
  }
}

/** @param path of the archive */
export const lockOf = (path: string): string => join(dirname(path), lockNameOf(basename(path)))

const MOST_LOST = 10

async function acquire(path: string, options: LockOptions): Promise<() => Promise<void>> {
  const { signal, onWait, patienceMs = PATIENCE_MS, staleMs = STALE_MS } = options
  const lock = lockOf(path)
  const begun = monotonicMs()
  let last: { mark: string; since: number } | undefined
  let lost = 0
  for (let waited = false; ; ) {
    if (await isMade(lock)) {
      const release = await holdLock(lock, staleMs / 4).catch((error: unknown) => {
        // Somebody took it for the lock of one that was killed while it gave it back.
        if (errnoOf(error) !== 'ENOENT' || ++lost > MOST_LOST) throw error
      })
      if (release !== undefined) return release
      continue
    }
    const seen = await lookAtLock(lock)
    const now = monotonicMs()
    if (seen !== undefined) {
      if (last?.mark !== seen.mark) last = { mark: seen.mark, since: now }
      const isDead = seen.isDead || now - last.since >= staleMs
      if (isDead && (await removeLock(lock, seen))) continue
      if (isDead || !isUseful(seen, options)) throw await inTheWay(path, lock, seen)
    }
    if (now - begun > patienceMs) throw locked(path, lock)
    if (!waited) onWait?.(lock)
    waited = true
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch((cause: unknown) => {
      throw new StageError('CANCELLED', `Waiting for the lock ${lock} was cancelled`, { path, cause })
    })
  }
}

/** False if something stands there. */
async function isMade(lock: string): Promise<boolean> {
  try {
    await mkdir(lock, { mode: 0o755 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whether the packer that holds this lock may make an archive that we can use. */
const isUseful = ({ isFolder, uid }: SeenLock, { owners }: LockOptions): boolean =>
  isFolder && (owners === undefined || uid === 0 || owners.includes(uid))

async function inTheWay(path: string, lock: string, { isFolder, uid }: SeenLock): Promise<StageError> {
  const what = isFolder ? 'a lock' : 'not a folder, so not a lock of conda-stage'
  return new StageError('LOCKED', `${lock} is in the way: it is ${what}, and belongs to ${await describeUser(uid)}`, {
    path,
    hint: `If no conda-stage of that user runs on any node, have it removed: rm -r '${lock}'. Or name another archive with --output=FILE.`,
  })
}

function locked(path: string, lock: string): StageError {
  return new StageError('LOCKED', `Another conda-stage has been writing ${path} for a long time; its lock is ${lock}`, {
    path,
    hint: `Wait for it, or name another archive with --output=FILE. If no conda-stage runs on any node: rm -r '${lock}'`,
  })
}
