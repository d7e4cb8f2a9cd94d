import { dirname } from 'node:path'
import { asWriteFailure } from '../archive/failure.ts'
import { StageError } from '../errors.ts'
import { open, rename, unlink } from '../platform/remote-fs.ts'
import { type LockOptions, withArchiveLock } from './lock.ts'
import { assertReplaceable } from './replaceable.ts'
import { removeLeftovers, temporaryName } from './temporary.ts'

export interface PublishOptions<T> extends LockOptions {
  /** The archive. One of our archives there is replaced; anything else is left alone. */
  path: string
  /**
   * Called under the lock, before anything is written. What it returns is the result, and nothing is written: if we waited for
   * another packer, we take what that one packed. Undefined means that `write` is called.
   */
  already?(): Promise<T | undefined>
  /** Makes the file, with its final mode, and brings it to disk. It does not exist yet. */
  write(temporary: string): Promise<T>
}

/** What was made of the contents, and why there is no archive of them, if there is none. */
export interface Outcome<T> {
  value: T
  lost?: unknown
}

/**
 * Puts a new archive in place so that nobody ever sees half of one. Under a lock, it is written to another name in the same
 * folder, brought to disk and renamed. The old archive can be read until then, and by those who have it open even longer.
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_UNWRITABLE, NO_SPACE, LOCKED, CANCELLED; what `write` throws comes through.
 */
export async function publishArchive<T>(options: PublishOptions<T>): Promise<T> {
  const write = async (temporary: string): Promise<Outcome<T>> => ({ value: await options.write(temporary) })
  const already = async (): Promise<T | undefined> => options.already?.()
  const { value, lost } = await publishOrLose({ ...options, already, write })
  if (lost !== undefined) throw lost
  return value
}

/**
 * The same for a caller that can use the contents without the archive. If `write` loses the archive, or the archive can't
 * be put in place afterwards, the reason is returned as `lost`.
 * @throws as publishArchive, for what goes wrong before the contents are written
 */
export function publishOrLose<T>(
  options: Omit<PublishOptions<T>, 'write'> & { write(temporary: string): Promise<Outcome<T>> },
): Promise<Outcome<T>> {
  const { path, already, write } = options
  return withArchiveLock(path, options, async () => {
    const found = await already?.()
    if (found !== undefined) return { value: found }
    await expected(path, assertReplaceable(path))
    // What killed packers left stays for the next one, if need be.
    await removeLeftovers(path).catch(() => {})
    const temporary = temporaryName(path)
    try {
      const { value, lost = await publish(temporary, options) } = await write(temporary)
      if (lost === undefined) return { value }
      await unlink(temporary).catch(() => {})
      return { value, lost: ofArchive(lost, temporary, path) }
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw ofArchive(error, temporary, path)
    }
  })
}

/** Why it could not be put in place; undefined if it was. */
async function publish(temporary: string, options: LockOptions & { path: string }): Promise<unknown> {
  try {
    throwIfCancelled(options)
    await expected(options.path, putInPlace(temporary, options.path))
  } catch (error) {
    return error
  }
}

async function putInPlace(temporary: string, path: string): Promise<void> {
  // Checked again, because packing took its time.
  await assertReplaceable(path)
  await rename(temporary, path)
  // Not every file system can sync a folder. Without it, a crash may lose the new name and nothing else.
  await syncFolder(dirname(path)).catch(() => {})
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function expected<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw asWriteFailure(error, path)
  }
}

/** Names the archive in place of the temporary file, whose name means nothing to people. */
export function ofArchive(error: unknown, temporary: string, path: string): unknown {
  if (!(error instanceof StageError) || error.path !== temporary) return error
  const { code, message, hint, cause } = error
  return new StageError(
    code,
    message.replace(temporary, () => path),
    { path, ...(hint && { hint }), cause },
  )
}

function throwIfCancelled({ signal, path }: LockOptions & { path: string }): void {
  if (!signal?.aborted) return
  throw new StageError('CANCELLED', `Packing into ${path} was cancelled`, { path, cause: signal.reason })
}
