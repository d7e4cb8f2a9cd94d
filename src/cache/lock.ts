import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { asWriteFailure } from '../archive/failure.ts'
import { StageError } from '../errors.ts'

export interface LockOptions {
  signal?: AbortSignal
  /** Called once, when another packer holds the lock and we begin to wait. */
  onWait?(lock: string): void
  /** How long to wait for a living packer before LOCKED is thrown. Default: half an hour. */
  patienceMs?: number
  /** A lock that was not renewed for this long belongs to a dead packer. Default: 20 s; less than 2 s counts as 2 s. */
  staleMs?: number
}

const PATIENCE_MS = 30 * 60 * 1000
/** More than the clocks of a cluster's nodes differ. */
const STALE_MS = 20_000
const POLL_MS = 500

/**
 * Runs `body` while no other process, on any node, holds the archive's lock. The lock is a folder `.NAME.lock` beside the
 * archive, because mkdir is atomic on network file systems too. Its mtime is renewed while `body` runs. So the lock of a packer
 * that was killed can be recognised and taken over.
 * @throws StageError LOCKED, CANCELLED, ARCHIVE_UNWRITABLE, NO_SPACE; what `body` throws comes through.
 */
export async function withArchiveLock<T>(path: string, options: LockOptions, body: () => Promise<T>): Promise<T> {
  const release = await acquire(path, options)
  try {
    return await body()
  } finally {
    // Fails if the lock was taken from us. Then we must not remove it.
    await release().catch(() => {})
  }
}

async function acquire(path: string, options: LockOptions): Promise<() => Promise<void>> {
  const { signal, onWait, patienceMs = PATIENCE_MS } = options
  const lock = join(dirname(path), `.${basename(path)}.lock`)
  const begun = Date.now()
  for (let waited = false; ; waited = true) {
    const release = await tryLock(path, lock, options)
    if (release !== undefined) return release
    if (!waited) onWait?.(lock)
    if (Date.now() - begun > patienceMs) throw locked(path, lock)
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch((cause: unknown) => {
      throw new StageError('CANCELLED', `Waiting for the lock ${lock} was cancelled`, { path, cause })
    })
  }
}

/** Undefined if somebody else has it. */
async function tryLock(
  path: string,
  lockfilePath: string,
  { staleMs = STALE_MS }: LockOptions,
): Promise<(() => Promise<void>) | undefined> {
  // Loaded here, because only packing needs it, and every other start would pay for it.
  const { default: lockfile } = await import('proper-lockfile')
  // Losing the lock meanwhile does no harm: each packer writes its own file, and renaming is atomic.
  const onCompromised = () => {}
  try {
    return await lockfile.lock(path, {
      realpath: false,
      lockfilePath,
      stale: staleMs,
      update: staleMs / 4,
      onCompromised,
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined
    throw asWriteFailure(error, path)
  }
}

function locked(path: string, lock: string): StageError {
  return new StageError('LOCKED', `Another conda-stage has been writing ${path} for a long time; its lock is ${lock}`, {
    path,
    hint: `Wait for it, or name another archive with --output=FILE. If no conda-stage runs on any node: rmdir '${lock}'`,
  })
}
