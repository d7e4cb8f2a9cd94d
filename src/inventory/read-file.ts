import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { StageError } from '../errors.ts'
import { displayPath, fsPath } from '../model/byte-path.ts'
import type { FileEntry } from '../model/entry.ts'
import { closeFile, openFile, readFrom, statFile } from './fd.ts'
import { settled, settleTime } from './settle.ts'

/** Size of one piece of a file that is not read whole. */
export const CHUNK = 1024 * 1024
/** Pieces of one large file that are read at once. */
export const PIECES_IN_FLIGHT = 4

/** A link or FIFO that was put in the file's place must neither be followed nor waited for. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * A whole file by open, read, fstat, close. The one fstat is behind the read: if size and mtime are still those of the
 * listing then, nothing changed from the listing until now.
 * @throws StageError UNREADABLE, CHANGED.
 */
export async function readWhole(prefix: string, entry: FileEntry): Promise<Buffer> {
  const file = await openEntry(prefix, entry)
  try {
    const content = await readAt(file, 0, entry.size)
    await assertUnchanged(file, prefix, entry)
    if (content.length < entry.size) throw changed(prefix, entry)
    return content
  } catch (error) {
    throw readError(prefix, entry, error)
  } finally {
    await closeFile(file)
  }
}

/**
 * The same without a thread for each call: five times less work where the calls take microseconds, as from the page cache.
 * Gives undefined where it would have to wait for the clock.
 */
export function readWholeSync(prefix: string, entry: FileEntry): Buffer | undefined {
  if (settleTime(entry.mtimeNs, Date.now()) > 0) return undefined
  let file: number | undefined
  try {
    file = openSync(fsPath(prefix, entry.path), FLAGS)
    const buffer = allocate(entry.size)
    let filled = 0
    while (filled < buffer.length) {
      const bytesRead = readSync(file, buffer, filled, buffer.length - filled, filled)
      if (bytesRead === 0) throw changed(prefix, entry)
      filled += bytesRead
    }
    if (isChanged(fstatSync(file, { bigint: true }), entry)) throw changed(prefix, entry)
    return buffer
  } catch (error) {
    throw readError(prefix, entry, error)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** A file in pieces of 1 MiB, of which the next few are being read while one is used. */
export class PiecedFile {
  readonly #file: number
  readonly #prefix: string
  readonly #entry: FileEntry
  readonly #ahead: Promise<Buffer>[] = []
  #begun = 0
  #closed = false

  private constructor(file: number, prefix: string, entry: FileEntry) {
    this.#file = file
    this.#prefix = prefix
    this.#entry = entry
  }

  /** Opens it and begins to read. @throws StageError UNREADABLE, CHANGED. */
  static async open(prefix: string, entry: FileEntry): Promise<PiecedFile> {
    const pieced = new PiecedFile(await openEntry(prefix, entry), prefix, entry)
    pieced.#readAhead()
    return pieced
  }

  /** All of it in order, once; closes the file at the end or when left. @throws StageError UNREADABLE, CHANGED. */
  async *pieces(): AsyncGenerator<Buffer> {
    const size = this.#entry.size
    try {
      this.#readAhead()
      await assertUnchanged(this.#file, this.#prefix, this.#entry)
      for (let done = 0; done < size; ) {
        this.#readAhead()
        const piece = await (this.#ahead.shift() as Promise<Buffer>)
        if (piece.length < Math.min(CHUNK, size - done)) throw changed(this.#prefix, this.#entry)
        done += piece.length
        if (done === size) await assertUnchanged(this.#file, this.#prefix, this.#entry)
        yield piece
      }
    } catch (error) {
      throw readError(this.#prefix, this.#entry, error)
    } finally {
      await this.close()
    }
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  /** Waits for reads that run; may be called more than once. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#ahead)
    // Its number may be another file's by now.
    if (!this.#closed) {
      this.#closed = true
      await closeFile(this.#file)
    }
  }

  #readAhead(): void {
    if (this.#closed) throw new Error(`${this.#entry.path} was closed before its content was consumed`)
    for (; this.#begun < this.#entry.size && this.#ahead.length < PIECES_IN_FLIGHT; this.#begun += CHUNK) {
      const piece = readAt(this.#file, this.#begun, Math.min(CHUNK, this.#entry.size - this.#begun))
      // Whoever comes to this piece gets the failure; until then it is no unhandled one.
      piece.catch(() => {})
      this.#ahead.push(piece)
    }
  }
}

async function openEntry(prefix: string, entry: FileEntry): Promise<number> {
  await settled(entry.mtimeNs)
  try {
    return await openFile(fsPath(prefix, entry.path), FLAGS)
  } catch (error) {
    throw readError(prefix, entry, error)
  }
}

async function readAt(file: number, position: number, length: number): Promise<Buffer> {
  const buffer = allocate(length)
  let filled = 0
  while (filled < length) {
    const bytesRead = await readFrom(file, buffer, filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

async function assertUnchanged(file: number, prefix: string, entry: FileEntry): Promise<void> {
  if (isChanged(await statFile(file), entry)) throw changed(prefix, entry)
}

const isChanged = (now: BigIntStats, entry: FileEntry): boolean =>
  !now.isFile() || now.size !== BigInt(entry.size) || now.mtimeNs !== entry.mtimeNs

/** Small contents are cut from slabs: memory of its own for each of 30,000 files keeps the garbage collector busy. */
const SLAB = 1024 * 1024
let slab = Buffer.alloc(0)

function allocate(length: number): Buffer {
  if (length > SLAB / 8) return Buffer.allocUnsafe(length)
  if (length > slab.length) slab = Buffer.allocUnsafeSlow(SLAB)
  const buffer = slab.subarray(0, length)
  slab = slab.subarray(length)
  return buffer
}

function changed(prefix: string, entry: FileEntry, cause?: unknown): StageError {
  const shown = `${prefix}/${displayPath(entry.path)}`
  return new StageError('CHANGED', `${shown} changed while the environment was being read`, {
    path: shown,
    hint: 'Wait until nothing is being installed into the environment, then try again.',
    cause,
  })
}

function readError(prefix: string, entry: FileEntry, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (error instanceof StageError || code === undefined) return error
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESTALE'].includes(code)) return changed(prefix, entry, error)
  const shown = `${prefix}/${displayPath(entry.path)}`
  return new StageError('UNREADABLE', `${shown} can't be read (${code})`, {
    path: shown,
    hint: "Ask the environment's owner for read permission, or repair or remove it.",
    cause: error,
  })
}
