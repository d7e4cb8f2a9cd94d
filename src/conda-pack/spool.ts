import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { asWriteFailure } from '../archive/failure.ts'
import { temporaryName } from '../cache/temporary.ts'
import { closeRead } from '../platform/close.ts'

const CHUNK = 1024 * 1024

/** Bytes that are read more than once and are too many for memory: in a file without a name, which ends with the process. */
export class Spool {
  readonly #handle: FileHandle
  readonly #path: string

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  /**
   * Takes all bytes.
   * @param beside a file in whose folder there is room
   * @throws StageError NO_SPACE, ARCHIVE_UNWRITABLE; what `chunks` throws
   */
  static async of(chunks: AsyncIterable<Buffer>, beside: string): Promise<Spool> {
    const path = temporaryName(beside)
    const { O_RDWR, O_CREAT, O_EXCL } = constants
    const handle = await expected(beside, open(path, O_RDWR | O_CREAT | O_EXCL, 0o600))
    const spool = new Spool(handle, beside)
    try {
      await expected(beside, unlink(path))
      for await (const chunk of chunks) await expected(beside, handle.writeFile(chunk))
      return spool
    } catch (error) {
      await spool.close()
      throw error
    }
  }

  async *read(): AsyncGenerator<Buffer> {
    for (let position = 0; ; ) {
      const { buffer, bytesRead } = await expected(
        this.#path,
        this.#handle.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, position),
      )
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
      position += bytesRead
    }
  }

  async close(): Promise<void> {
    await closeRead(this.#handle)
  }
}

async function expected<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw asWriteFailure(error, path)
  }
}
