import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asWriteFailure } from '../archive/failure.ts'
import { StageError } from '../errors.ts'
import { type LockOptions, withArchiveLock } from './lock.ts'
import { assertReplaceable } from './replaceable.ts'
import { removeLeftovers, temporaryName } from './temporary.ts'

export interface PublishOptions<T> extends LockOptions {
  /** The archive. An archive of ours there is replaced; anything else is left alone. */
  path: string
  /**
   * Called under the lock, before anything is written. If it returns a value, that is the result and nothing is written:
   * a caller that waited for another packer takes what that one has packed.
   */
  already?(): Promise<T | undefined>
  /** Makes the file, which does not exist yet, with its final mode. */
  write(temporary: string): Promise<T>
}

/** What was made of the contents, and why there is no archive of them, if there is none. */
export interface Outcome<T> {
  value: T
  lost?: unknown
}

/**
 * Puts a new archive in place, and nobody ever sees half of one: it is written under another name in the same folder,
 * under a lock, brought to disk and then renamed. Until then the old archive is there and can be read; a process that
 * has it open keeps it.
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
    await expected(path, removeLeftovers(path))
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
  await sync(temporary)
  // Again, since packing took its time.
  await assertReplaceable(path)
  await rename(temporary, path)
  // Not every file system can do it to a folder, and without it only the new name may be lost in a crash.
  await sync(dirname(path)).catch(() => {})
}

/** Also where a full disk or quota shows on file systems that put writing off. */
async function sync(path: string): Promise<void> {
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

/** The temporary name means nothing to people: it is the archive that could not be written. */
function ofArchive(error: unknown, temporary: string, path: string): unknown {
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
