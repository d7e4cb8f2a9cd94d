import { type FileHandle, open, unlink } from 'node:fs/promises'
import { asWriteFailure } from '../failure.ts'

/** What is done with an archive's file while it is written. */
export type ArchiveFile = Pick<FileHandle, 'read' | 'write'>

/** A new archive's file. */
export interface NewFile extends ArchiveFile {
  /** Why not all of it was written, where that does not count as a failure. */
  readonly lost: unknown
  /** Closes it, and removes it unless it is `complete`. */
  end(complete: boolean): Promise<void>
}

/**
 * @param mayBeLost where it can't be written it is given up, and what else is to be written goes nowhere: whoever takes the
 *   frames' content on the way gets all of it
 * @throws StageError ARCHIVE_UNWRITABLE, NO_SPACE
 */
export async function createFile(path: string, mayBeLost: boolean): Promise<NewFile> {
  let lost: unknown
  const failed = (error: unknown): void => {
    if (!mayBeLost) throw asWriteFailure(error, path)
    lost ??= asWriteFailure(error, path)
  }
  const handle = await open(path, 'wx+', 0o644).catch(failed)
  return {
    get lost() {
      return lost
    },
    read: ((...args: Parameters<FileHandle['read']>) => handle!.read(...args)) as FileHandle['read'],
    write: (async (data: Buffer, offset: number, length: number, position: number) => {
      if (handle === undefined || lost !== undefined) return { bytesWritten: length, buffer: data }
      try {
        return await handle.write(data, offset, length, position)
      } catch (error) {
        failed(error)
        return { bytesWritten: length, buffer: data }
      }
    }) as FileHandle['write'],
    async end(complete) {
      if (handle === undefined) return
      await handle.close().catch(() => {})
      if (!complete || lost !== undefined) await unlink(path).catch(() => {})
    },
  }
}

/**
 * FileHandle.write may write less than asked for.
 * @throws StageError NO_SPACE, ARCHIVE_UNWRITABLE
 */
export async function writeAll(file: ArchiveFile, path: string, data: Buffer, position: number): Promise<void> {
  try {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await file.write(data, done, data.length - done, position + done)
      done += bytesWritten
    }
  } catch (error) {
    throw asWriteFailure(error, path)
  }
}
