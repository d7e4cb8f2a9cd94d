import { type BytePath, parentOf } from '../model/byte-path.ts'
import type { ListedName } from '../model/listed.ts'
import { Pace } from '../platform/pace.ts'
import type { EarlyReads } from './early-reads.ts'
import { mayVanish } from './list.ts'
import {
  CHUNK,
  type FileFacts,
  PIECES_IN_FLIGHT,
  PiecedFile,
  quickMs,
  readFile,
  readFileSync,
  type WholeFile,
} from './read-file.ts'
import { Slabs } from './slabs.ts'
import { WarmFolders } from './warm-folders.ts'

/** Bytes that are read ahead of the consumer; files whose reading has begun by then may go beyond. */
const AHEAD_BYTES = 16 * 1024 * 1024
/** Files that are read ahead, in multiples of those in flight: one slow read must not hold up the others. */
const AHEAD_FILES = 4
/** Of a file of which nothing is known beforehand, before any has been read. */
const USUAL_SIZE = 16 * 1024

/** A file's content, or that it is a further name of another file, or undefined where it has vanished and may do so. */
export type ReadResult = WholeFile | PiecedFile | { facts: FileFacts; link: BytePath } | undefined

interface Begun {
  result: Promise<WholeFile | PiecedFile | undefined>
  file: ListedName
  /** Memory that it takes at most: a guess, until its size is known. */
  bytes: number
}

/** Files in the archive's order. */
export interface FileOrder {
  prefix: string
  files: readonly ListedName[]
  /** By inode: number in `files` of the first of its names that was come upon. */
  names: Map<string, number>
}

interface Options {
  /** Files that are opened and read at once. */
  concurrency: number
  /** Numbers of the files that are asked for: from the first, up to the second. */
  from?: number | undefined
  until?: number | undefined
  /** What was read already. */
  early?: EarlyReads | undefined
}

/** Keeps reads of the coming files going, bounded in number and in bytes. */
export class ReadAhead {
  readonly #prefix: string
  readonly #files: readonly ListedName[]
  readonly #concurrency: number
  readonly #begun: Begun[] = []
  readonly #names: Map<string, number>
  #pieced: PiecedFile[] = []
  #nextFile: number
  readonly #until: number
  #running = 0
  #bytes = 0
  /** What the consumer has in hand. */
  #held: { bytes: number; content: Buffer | undefined } = { bytes: 0, content: undefined }
  /** Files whose size is known by now, and their bytes in memory. */
  #seen = { files: 1, bytes: USUAL_SIZE }
  #closed = false
  readonly #pace: Pace
  readonly #openPace = new Pace()
  readonly #folders = new WarmFolders()
  readonly #early: EarlyReads | undefined
  readonly #slabs: Slabs

  constructor({ prefix, files, names }: FileOrder, { concurrency, from = 0, until = files.length, early }: Options) {
    this.#prefix = prefix
    this.#names = names
    this.#nextFile = from
    this.#until = until
    this.#early = early
    this.#slabs = early?.slabs ?? new Slabs()
    this.#pace = early?.pace ?? new Pace()
    this.#files = files
    this.#concurrency = concurrency
  }

  /** The next file in order. Its content is valid, and counts as in use, until `release()`. */
  async next(): Promise<ReadResult> {
    this.#fill()
    const first = this.#begun.shift() as Begun
    const found = await first.result
    this.#held = { bytes: first.bytes, content: found && 'content' in found ? found.content : undefined }
    const inode = found?.facts.inode
    const target = inode === undefined ? undefined : this.#files[this.#names.get(inode)!]
    if (found === undefined || target === undefined || target === first.file) return found
    if (found instanceof PiecedFile) await found.close()
    return { facts: found.facts, link: target.path }
  }

  release(): void {
    const { bytes, content } = this.#held
    this.#bytes -= bytes
    if (content) this.#slabs.release(content)
    this.#held = { bytes: 0, content: undefined }
    this.#fill()
  }

  /** Waits for what runs, and closes what was opened. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#begun.map((begun) => begun.result))
    await Promise.all(this.#pieced.map((file) => file.close()))
  }

  #fill(): void {
    while (!this.#closed && this.#nextFile < this.#until && this.#hasRoom()) {
      const number = this.#nextFile++
      const file = this.#files[number]!
      const begun: Begun = { file, bytes: this.#guess(file), result: Promise.resolve(undefined) }
      this.#bytes += begun.bytes
      this.#running++
      begun.result = this.#read(begun, number).finally(() => {
        this.#running--
        this.#fill()
      })
      // Whoever comes to this file gets the failure; until then it is no unhandled one.
      begun.result.catch(() => {})
      this.#begun.push(begun)
    }
  }

  #hasRoom(): boolean {
    // What answers at once is read when it is wanted, into memory that is still in the CPU's cache.
    if (this.#begun.length === 0 || this.#pace.isQuick) return this.#begun.length === 0
    const open = this.#running + this.#pieced.filter((file) => file.isOpen).length
    if (open >= this.#concurrency || this.#begun.length >= AHEAD_FILES * this.#concurrency) return false
    return this.#bytes + this.#guess(this.#files[this.#nextFile]!) <= AHEAD_BYTES
  }

  async #read(begun: Begun, number: number): Promise<WholeFile | PiecedFile | undefined> {
    const place = { prefix: this.#prefix, path: begun.file.path, slabs: this.#slabs }
    let isOpen = false
    const wanted = (facts: FileFacts): boolean => {
      isOpen = true
      if (!this.#isFirstName(facts, number)) return false
      const bytes = inMemory(facts.size)
      this.#bytes += bytes - begun.bytes
      this.#seen.files++
      this.#seen.bytes += bytes
      begun.bytes = bytes
      return true
    }
    try {
      const taken = this.#early?.take(place.path)
      const early = taken && (await taken)
      if (early) return wanted(early.facts) ? early : this.#without(early)
      const quick = this.#readQuickly(begun.file, () => readFileSync(place, wanted))
      const found = quick ?? (await readFile(place, wanted, this.#calls(place.path)))
      if (found instanceof PiecedFile) this.#keep(found)
      return found
    } catch (error) {
      if (!isOpen && mayVanish(begun.file.path, error)) return undefined
      throw error
    }
  }

  #without({ facts, content }: WholeFile): WholeFile {
    this.#slabs.release(content)
    return { facts, content: Buffer.alloc(0) }
  }

  #calls(path: BytePath): Parameters<typeof readFile>[2] {
    return { opening: (open) => this.#folders.into(parentOf(path), open), pace: this.#openPace }
  }

  /** Claims the inode. A name that comes before in the order takes it over, though it was opened later. */
  #isFirstName({ inode }: FileFacts, number: number): boolean {
    if (inode === undefined) return true
    const first = this.#names.get(inode)
    if (first !== undefined && first < number) return false
    this.#names.set(inode, number)
    return true
  }

  #keep(file: PiecedFile): void {
    this.#pieced = [...this.#pieced.filter((other) => other.isOpen), file]
    // Beyond that its turn has to come first.
    if (this.#bytes <= AHEAD_BYTES) file.readAhead()
  }

  /** At once and without a thread, as long as the file system answers at once. */
  #readQuickly(file: ListedName, read: () => WholeFile | undefined): WholeFile | undefined {
    const bytes = this.#guess(file)
    if (!this.#pace.isQuick || bytes > CHUNK) return undefined
    return this.#pace.measure(read, () => quickMs(bytes))
  }

  #guess({ recordedSize }: ListedName): number {
    return recordedSize === undefined ? this.#seen.bytes / this.#seen.files : inMemory(recordedSize)
  }
}

const inMemory = (size: number): number => Math.min(size, PIECES_IN_FLIGHT * CHUNK)
