import { createHash, hash } from 'node:crypto'
import type { Entry, FileEntry } from '../model/entry.ts'
import type { ArchiveItem, Content, Facts, Scanner } from '../model/item.ts'
import { IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace } from '../platform/pace.ts'
import { throwIfCancelled } from './cancel.ts'
import { archiveOrder } from './order.ts'
import { CHUNK, PIECES_IN_FLIGHT, PiecedFile, readWhole, readWholeSync } from './read-file.ts'

export interface ReadOptions {
  /** Looks for prefixes in one file. */
  makeScanner(entry: FileEntry): Scanner
  /** Files that are opened and read at once. */
  concurrency?: number
  /** Called with each piece of content that is handed on: its bytes, and 1 where it ends a file, else 0. */
  onRead?(bytes: number, files: number): void
  signal?: AbortSignal
}

/** Bytes that are read ahead of the consumer at most; one file may go beyond. */
const AHEAD_BYTES = 32 * 1024 * 1024
/** Files that are read ahead, in multiples of those in flight: one slow read must not hold up the others. */
const AHEAD_FILES = 4
/** Hex digits of 16 bytes. */
const DIGEST_LENGTH = 32

/** A file whose reading has begun: what it gives, and the memory it takes at most. */
interface Begun {
  result: Promise<Buffer | PiecedFile>
  bytes: number
}

/**
 * Gives everything in the environment in the order of `archiveOrder`, with the content of files, which is read ahead.
 * Files up to 1 MiB come whole, larger ones in pieces, which must be consumed before the next item is asked for.
 * Memory stays bounded whatever the sizes. The original is only read.
 * @throws StageError UNREADABLE, CHANGED (a file is no longer what `entries` says), CANCELLED.
 */
export async function* readItems(
  environment: { prefix: string },
  entries: readonly Entry[],
  options: ReadOptions,
): AsyncGenerator<ArchiveItem> {
  const { signal } = options
  const order = archiveOrder(entries)
  const files = order.filter((entry) => entry.type === 'file')
  const ahead = new ReadAhead(environment.prefix, files, options.concurrency ?? IN_FLIGHT)
  try {
    for (const entry of order) {
      throwIfCancelled(signal, environment.prefix)
      if (entry.type !== 'file') {
        yield { entry }
        continue
      }
      const read = await ahead.next()
      const content = Buffer.isBuffer(read)
        ? wholeContent(entry, read, options)
        : piecedContent(entry, read.pieces(), options)
      yield { entry, content }
      ahead.release()
    }
  } finally {
    await ahead.close()
  }
}

/** Keeps reads of the coming files going, bounded in number and in bytes. */
class ReadAhead {
  readonly #prefix: string
  readonly #files: readonly FileEntry[]
  readonly #concurrency: number
  readonly #begun: Begun[] = []
  #pieced: PiecedFile[] = []
  #nextFile = 0
  #running = 0
  #bytes = 0
  #held = 0
  #closed = false
  readonly #pace = new Pace()

  constructor(prefix: string, files: readonly FileEntry[], concurrency: number) {
    this.#prefix = prefix
    this.#files = files
    this.#concurrency = concurrency
  }

  /** The next file in order. Its bytes count as in use until `release()`. */
  next(): Promise<Buffer | PiecedFile> {
    this.#fill()
    const first = this.#begun.shift() as Begun
    this.#held = first.bytes
    return first.result
  }

  release(): void {
    this.#bytes -= this.#held
    this.#held = 0
    this.#fill()
  }

  /** Waits for what runs, and closes what was opened. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#begun.map((begun) => begun.result))
    await Promise.all(this.#pieced.map((file) => file.close()))
  }

  #fill(): void {
    while (!this.#closed && this.#nextFile < this.#files.length && this.#hasRoom()) {
      const entry = this.#files[this.#nextFile++] as FileEntry
      const bytes = inMemory(entry)
      this.#bytes += bytes
      this.#running++
      const result = this.#begin(entry).finally(() => {
        this.#running--
        this.#fill()
      })
      // Whoever comes to this file gets the failure; until then it is no unhandled one.
      result.catch(() => {})
      this.#begun.push({ result, bytes })
    }
  }

  #hasRoom(): boolean {
    if (this.#begun.length === 0) return true
    const open = this.#running + this.#pieced.filter((file) => file.isOpen).length
    if (open >= this.#concurrency || this.#begun.length >= AHEAD_FILES * this.#concurrency) return false
    return this.#bytes + inMemory(this.#files[this.#nextFile] as FileEntry) <= AHEAD_BYTES
  }

  /** At once and without a thread, as long as the file system answers at once. A megabyte from memory takes some 0.2 ms. */
  #readQuickly(entry: FileEntry): Buffer | undefined {
    if (!this.#pace.isQuick) return undefined
    return this.#pace.measure(() => readWholeSync(this.#prefix, entry), 0.3 * (1 + entry.size / CHUNK))
  }

  async #begin(entry: FileEntry): Promise<Buffer | PiecedFile> {
    if (entry.size <= CHUNK) return this.#readQuickly(entry) ?? readWhole(this.#prefix, entry)
    const file = await PiecedFile.open(this.#prefix, entry)
    this.#pieced = [...this.#pieced.filter((other) => other.isOpen), file]
    return file
  }
}

const inMemory = (entry: FileEntry): number => Math.min(entry.size, PIECES_IN_FLIGHT * CHUNK)

function wholeContent(entry: FileEntry, content: Buffer, { makeScanner, onRead }: ReadOptions): Content {
  const scanner = makeScanner(entry)
  scanner.push(content)
  const facts = factsOf(hash('sha256', content, 'hex'), scanner)
  onRead?.(content.length, 1)
  return { chunks: content, facts: () => facts }
}

function piecedContent(entry: FileEntry, pieces: AsyncIterable<Buffer>, options: ReadOptions): Content {
  const scanner = options.makeScanner(entry)
  const digest = createHash('sha256')
  let facts: Facts | undefined
  async function* chunks(): AsyncGenerator<Buffer> {
    let done = 0
    for await (const piece of pieces) {
      throwIfCancelled(options.signal, entry.path)
      digest.update(piece)
      scanner.push(piece)
      done += piece.length
      if (done === entry.size) facts = factsOf(digest.digest('hex'), scanner)
      options.onRead?.(piece.length, done === entry.size ? 1 : 0)
      yield piece
    }
  }
  return {
    chunks: chunks(),
    facts() {
      if (facts === undefined) throw new Error(`facts() of ${entry.path} asked for before its content was consumed`)
      return facts
    },
  }
}

function factsOf(digest: string, scanner: Scanner): Facts {
  const relocation = scanner.finish()
  const short = { digest: digest.slice(0, DIGEST_LENGTH) }
  return relocation === undefined ? short : { ...short, relocation }
}
