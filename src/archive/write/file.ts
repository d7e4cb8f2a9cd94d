import type { FileHandle } from 'node:fs/promises'
import { StageError } from '../../errors.ts'
import { errnoOf } from '../../platform/errno.ts'
import { open, unlink } from '../../platform/remote-fs.ts'
import { asWriteFailure } from '../failure.ts'

/** Where an archive's bytes go. */
export interface Sink {
  /**
   * Writes all of `data` at this position.
   * @throws StageError NO_SPACE, ARCHIVE_UNWRITABLE
   */
  write(data: Buffer, position: number): Promise<void>
  /**
   * Nothing more is written. What was written is brought to disk and stays, but only if it is complete.
   * @throws StageError NO_SPACE, ARCHIVE_UNWRITABLE
   */
  end(isComplete: boolean): Promise<void>
}

/** Takes the bytes of an archive that was given up. */
const NOWHERE: Sink = { write: async () => {}, end: async () => {} }

/** The new file of an archive. */
export class ArchiveFile implements Sink {
  readonly #handle: FileHandle
  readonly #path: string

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  /** @throws StageError NO_SPACE, ARCHIVE_UNWRITABLE; that also if something is there already */
  static async create(path: string): Promise<ArchiveFile> {
    try {
      return new ArchiveFile(await open(path, 'wx+', 0o644), path)
    } catch (error) {
      throw asWriteFailure(error, path)
    }
  }

  async write(data: Buffer, position: number): Promise<void> {
    try {
      // One call may write less than it was asked to.
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await this.#handle.write(data, done, data.length - done, position + done)
        done += bytesWritten
      }
    } catch (error) {
      throw asWriteFailure(error, this.#path)
    }
  }

  /** Gives up to `size` bytes that were written at this position, at least one. */
  async read(size: number, position: number): Promise<Buffer> {
    const reading = this.#handle.read(Buffer.allocUnsafe(size), 0, size, position)
    const { buffer, bytesRead } = await reading.catch((error: unknown) => {
      throw asWriteFailure(error, this.#path)
    })
    if (bytesRead === 0) throw new RangeError(`${this.#path} is shorter than what was written to it`)
    return buffer.subarray(0, bytesRead)
  }

  /** Bytes. Another program may have written to it. */
  async size(): Promise<number> {
    const { size } = await this.#handle.stat().catch((error: unknown) => {
      throw asWriteFailure(error, this.#path)
    })
    return size
  }

  async end(isComplete: boolean): Promise<void> {
    let isKept = false
    try {
      await this.#close(isComplete)
      isKept = isComplete
    } catch (error) {
      if (isComplete) throw asWriteFailure(error, this.#path)
    } finally {
      if (!isKept) await unlink(this.#path).catch(() => {})
    }
  }

  /** NFS and FUSE may report only here what they could not write. */
  async #close(isComplete: boolean): Promise<void> {
    try {
      if (isComplete) await sync(this.#handle)
    } finally {
      await this.#handle.close()
    }
  }
}

/**
 * Brings a new file to disk. File systems that put writing off report a full disk or quota only here, and only to the descriptor
 * that was written to. Not every file system can do this.
 */
async function sync(handle: FileHandle): Promise<void> {
  await handle.sync().catch((error: unknown) => {
    if (!['EINVAL', 'ENOSYS', 'ENOTSUP'].includes(errnoOf(error) ?? '')) throw error
  })
}

/**
 * An archive that its writer can do without, because the frames also go somewhere else. If the file can't be written, it is
 * removed, and `lost` says why; the remaining bytes go nowhere. A new one has no file from the beginning.
 */
export class LosableFile implements Sink {
  #sink: Sink = NOWHERE
  #lost: StageError | undefined

  static async create(path: string): Promise<LosableFile> {
    const file = new LosableFile()
    try {
      file.#sink = await ArchiveFile.create(path)
    } catch (error) {
      await file.#giveUp(error)
    }
    return file
  }

  get lost(): StageError | undefined {
    return this.#lost
  }

  async write(data: Buffer, position: number): Promise<void> {
    try {
      await this.#sink.write(data, position)
    } catch (error) {
      await this.#giveUp(error)
    }
  }

  async end(isComplete: boolean): Promise<void> {
    try {
      await this.#sink.end(isComplete)
    } catch (error) {
      await this.#giveUp(error)
    }
  }

  /** Only expected failures; others are bugs. */
  async #giveUp(error: unknown): Promise<void> {
    if (!(error instanceof StageError)) throw error
    this.#lost = error
    const abandoned = this.#sink
    this.#sink = NOWHERE
    await abandoned.end(false)
  }
}
