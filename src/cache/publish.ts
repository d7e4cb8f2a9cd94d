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
   * Asked under the lock, before anything is written: what it returns is taken for the result, and nothing is written. So
   * that whoever waited for another packer takes what that one has packed.
   */
  already?(): Promise<T | undefined>
  /** Makes the file, which does not exist yet, with its final mode. */
  write(temporary: string): Promise<T>
}

/**
 * Puts a new archive in place so that nobody ever sees half of one: it is written under another name in the same folder,
 * under a lock, brought to disk and then renamed. Until then the old archive is there and can be read; whoever
 * has it open keeps it.
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_UNWRITABLE, NO_SPACE, LOCKED, CANCELLED; what `write` throws comes through.
 */
export function publishArchive<T>(options: PublishOptions<T>): Promise<T> {
  const { path } = options
  return withArchiveLock(path, options, async () => {
    const already = await options.already?.()
    if (already !== undefined) return already
    await expected(path, assertReplaceable(path))
    await expected(path, removeLeftovers(path))
    const temporary = temporaryName(path)
    try {
      const result = await options.write(temporary)
      throwIfCancelled(options)
      await expected(path, putInPlace(temporary, path))
      return result
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw ofArchive(error, temporary, path)
    }
  })
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

function throwIfCancelled({ signal, path }: PublishOptions<unknown>): void {
  if (!signal?.aborted) return
  throw new StageError('CANCELLED', `Packing into ${path} was cancelled`, { path, cause: signal.reason })
}
