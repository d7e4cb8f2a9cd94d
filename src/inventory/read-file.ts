import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import type { Pace } from '../platform/pace.ts'
import { closeFile, lstatPath, openFile, readFrom, statFile } from './fd.ts'
import { settled, settleTime } from './settle.ts'
import { SLAB, type Slabs } from './slabs.ts'

/** Size of one piece of a file that is not read whole. */
export const CHUNK = SLAB
/** Pieces of one large file that are read at once. */
export const PIECES_IN_FLIGHT = 4

/**
 * What one request to a file server brings at most, nearly everywhere. A file up to this size is what it was at one
 * moment. A larger one is looked at once more when it is read, since it may have been written to in between.
 */
const ONE_REQUEST = 128 * 1024

/** A link or FIFO that was put in the file's place must neither be followed nor waited for. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** What is looked at of an open file, which costs no look-up of its own: the kernel has just been told. */
export interface FileFacts {
  size: number
  /** Permission bits. */
  mode: number
  mtimeNs: bigint
  /** Set where the file has further names, inside the environment or (conda's package cache) outside. */
  inode?: string
}

export interface WholeFile {
  facts: FileFacts
  /** To be released to the slabs that it comes from. */
  content: Buffer
}

interface Where {
  prefix: string
  path: BytePath
}

/** A file of the environment, by its path, and where its content goes. */
export interface Place extends Where {
  slabs: Pick<Slabs, 'allocate' | 'release'>
}

/**
 * A file up to CHUNK by open, fstat, read, close, or the larger one opened.
 * @param wanted whether the content is wanted, now that the facts are known; else it comes as an empty buffer
 * @param opening makes the call by which the path is looked up
 * @param pace of calls about open files: nearly everywhere the kernel answers them by itself, and a thread for each costs more
 * @throws StageError UNREADABLE, CHANGED.
 */
export async function readFile(
  place: Place,
  wanted: (facts: FileFacts) => boolean,
  { opening, pace }: { opening: (open: () => Promise<number>) => Promise<number>; pace: Pace },
): Promise<WholeFile | PiecedFile> {
  const file = await opening(() => openFile(fsPath(place.prefix, place.path), FLAGS)).catch((error: unknown) => {
    throw readError(place, error)
  })
  let isKept = false
  try {
    const facts = await lookAt(file, place, pace)
    if (!wanted(facts)) return { facts, content: Buffer.alloc(0) }
    if (facts.size > CHUNK) {
      isKept = true
      return new PiecedFile(file, place, facts)
    }
    const content = await readAt(file, place.slabs.allocate(facts.size), 0)
    if (content.length < facts.size) throw changed(place)
    if (facts.size > ONE_REQUEST) await assertUnchanged(file, place, facts)
    return { facts, content }
  } catch (error) {
    throw readError(place, error)
  } finally {
    if (!isKept) await (pace.isQuick ? pace.measure(() => closeSync(file)) : closeFile(file))
  }
}

/** What `readFileSync` takes at most where the file system answers at once, in milliseconds: a megabyte from memory takes some 0.2. */
export const quickMs = (bytes: number): number => 0.3 * (1 + bytes / CHUNK)

/**
 * The same without a thread for each call: five times less work where the calls take microseconds, as from the page cache.
 * Gives undefined for a file of more than `most` bytes, and where it would have to wait for the clock.
 */
export function readFileSync(
  place: Where & { slabs: Pick<Slabs, 'allocate'> },
  wanted: (facts: FileFacts) => boolean,
  most = CHUNK,
): WholeFile | undefined {
  let file: number | undefined
  try {
    file = openSync(fsPath(place.prefix, place.path), FLAGS)
    const facts = factsOf(fstatSync(file, { bigint: true }), place)
    if (facts.size > most || settleTime(facts.mtimeNs, Date.now()) > 0) return undefined
    if (!wanted(facts)) return { facts, content: Buffer.alloc(0) }
    const content = place.slabs.allocate(facts.size)
    for (let filled = 0; filled < content.length; ) {
      const bytesRead = readSync(file, content, filled, content.length - filled, filled)
      if (bytesRead === 0) throw changed(place)
      filled += bytesRead
    }
    if (facts.size > ONE_REQUEST && differs(factsOf(fstatSync(file, { bigint: true }), place), facts))
      throw changed(place)
    return { facts, content }
  } catch (error) {
    throw readError(place, error)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** A file in pieces of 1 MiB, of which the next few are being read while one is used. */
export class PiecedFile {
  readonly facts: FileFacts
  readonly #file: number
  readonly #place: Place
  readonly #ahead: Promise<Buffer>[] = []
  #begun = 0
  #closed = false

  constructor(file: number, place: Place, facts: FileFacts) {
    this.#file = file
    this.#place = place
    this.facts = facts
  }

  /** All of it in order, once, each valid until the next is asked for; closes the file at the end or when left. @throws StageError UNREADABLE, CHANGED. */
  async *pieces(): AsyncGenerator<Buffer> {
    const { size } = this.facts
    try {
      for (let done = 0; done < size; ) {
        this.readAhead()
        const piece = await (this.#ahead.shift() as Promise<Buffer>)
        if (piece.length < Math.min(CHUNK, size - done)) throw changed(this.#place)
        done += piece.length
        if (done === size) await assertUnchanged(this.#file, this.#place, this.facts)
        yield piece
        this.#place.slabs.release(piece)
      }
    } catch (error) {
      throw readError(this.#place, error)
    } finally {
      await this.close()
    }
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  /** Begins to read the first pieces, which `pieces` would do only when it is asked for them. */
  readAhead(): void {
    if (this.#closed) throw new Error(`${this.#place.path} was closed before its content was consumed`)
    for (; this.#begun < this.facts.size && this.#ahead.length < PIECES_IN_FLIGHT; this.#begun += CHUNK) {
      const memory = this.#place.slabs.allocate(Math.min(CHUNK, this.facts.size - this.#begun))
      const piece = readAt(this.#file, memory, this.#begun)
      // Whoever comes to this piece gets the failure; until then it is no unhandled one.
      piece.catch(() => {})
      this.#ahead.push(piece)
    }
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
}

/** The facts of a moment after which any change must show as another mtime. */
async function lookAt(file: number, place: Place, pace: Pace): Promise<FileFacts> {
  for (let before: FileFacts | undefined; ; ) {
    const stats = pace.isQuick ? pace.measure(() => fstatSync(file, { bigint: true })) : await statFile(file)
    const facts = factsOf(stats, place)
    // Where it was the same before the wait, that is enough: an mtime ahead of our clock would never settle.
    if (settleTime(facts.mtimeNs, Date.now()) === 0 || (before && !differs(facts, before))) return facts
    before = facts
    await settled(facts.mtimeNs)
  }
}

function factsOf(stats: BigIntStats, place: Where): FileFacts {
  if (!stats.isFile()) throw changed(place)
  const facts = { size: Number(stats.size), mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
  return stats.nlink > 1n ? { ...facts, inode: `${stats.dev}:${stats.ino}` } : facts
}

async function readAt(file: number, buffer: Buffer, position: number): Promise<Buffer> {
  let filled = 0
  while (filled < buffer.length) {
    const bytesRead = await readFrom(file, buffer, filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

async function assertUnchanged(file: number, place: Place, before: FileFacts): Promise<void> {
  if (differs(factsOf(await statFile(file), place), before)) throw changed(place)
}

/** Whether there is still the file whose facts were taken earlier. */
export async function isAsRead({ prefix, path }: Where, facts: FileFacts): Promise<boolean> {
  const stats = await lstatPath(fsPath(prefix, path)).catch(() => undefined)
  if (!stats?.isFile()) return false
  return !differs(factsOf(stats, { prefix, path }), facts) && Number(stats.mode & 0o7777n) === facts.mode
}

const differs = (a: FileFacts, b: FileFacts): boolean => a.size !== b.size || a.mtimeNs !== b.mtimeNs

function changed({ prefix, path }: Where, cause?: unknown): StageError {
  const shown = `${prefix}/${displayPath(path)}`
  return new StageError('CHANGED', `${shown} changed while the environment was being read`, {
    path: shown,
    hint: 'Wait until nothing is being installed into the environment, then try again.',
    cause,
  })
}

function readError(place: Where, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (error instanceof StageError || code === undefined) return error
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESTALE'].includes(code)) return changed(place, error)
  const shown = `${place.prefix}/${displayPath(place.path)}`
  return new StageError('UNREADABLE', `${shown} can't be read (${code})`, {
    path: shown,
    hint: "Ask the environment's owner for read permission, or repair or remove it.",
    cause: error,
  })
}
