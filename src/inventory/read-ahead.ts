import type { BytePath } from '../model/byte-path.ts'
import type { ListedName } from '../model/listed.ts'
import { Budget } from './budget.ts'
import type { EarlyReads } from './early-reads.ts'
import { FileOpener, quickMs } from './file-opener.ts'
import type { Inodes } from './inodes.ts'
import type { FileFacts, WholeFile } from './open-file.ts'
import { CHUNK, PiecedFile } from './pieced-file.ts'

/** Files that are read ahead for each one in flight: one slow read must not hold up the others. */
const AHEAD_FILES = 4

/** The path is that of another name of the file, which has the content. */
interface FurtherName {
  facts: FileFacts
  link: BytePath
}

/** `undefined`: the file has vanished, and is one that may. */
export type ReadResult = WholeFile | PiecedFile | FurtherName | undefined

/** What is known when a file was opened, and read if its content is wanted. */
type Opened = WholeFile | PiecedFile | { facts: FileFacts }

interface FileAhead {
  number: number
  opened: Promise<Opened | undefined>
}

/** Files in the archive's order. Their numbers are their places in it. */
export interface FileOrder {
  prefix: string
  files: readonly ListedName[]
  inodes: Inodes
}

export interface ReadAheadOptions {
  /** Files that are opened and read at once. */
  concurrency: number
  /** Number of the first file, and the one behind the last. */
  from?: number | undefined
  until?: number | undefined
  early?: EarlyReads | undefined
  /** Without `early`: the file system may never answer. */
  mayHang?: boolean | undefined
}

/** Keeps reads of the coming files going, bounded in number and in bytes. */
export class ReadAhead {
  readonly #order: FileOrder
  readonly #opener: FileOpener
  readonly #early: EarlyReads | undefined
  readonly #budget = new Budget()
  readonly #concurrency: number
  readonly #until: number
  #next: number
  /** Files from the one that the consumer gets next, in order. */
  readonly #queue: FileAhead[] = []
  #running = 0
  #pieced: PiecedFile[] = []
  /** What the consumer has in hand. */
  #inHand: { number: number; content?: Buffer | undefined } | undefined
  #isClosed = false

  constructor(
    order: FileOrder,
    { concurrency, from = 0, until = order.files.length, early, mayHang }: ReadAheadOptions,
  ) {
    this.#order = order
    this.#opener = early?.opener ?? new FileOpener(order.prefix, { mayHang })
    this.#early = early
    this.#concurrency = concurrency
    this.#next = from
    this.#until = until
  }

  /** The next file in order. Its content is valid, and counts as in use, until `release()`. */
  async next(): Promise<ReadResult> {
    this.#fill()
    const { number, opened } = this.#queue.shift() as FileAhead
    const file = await opened
    this.#inHand = { number, content: contentOf(file) }
    if (file === undefined) return undefined
    const owner = this.#order.inodes.ownerOf(file.facts)
    if (owner === undefined || owner === number) return file as WholeFile | PiecedFile
    if (file instanceof PiecedFile) await file.close()
    return { facts: file.facts, link: this.#order.files[owner]!.path }
  }

  release(): void {
    if (this.#inHand) {
      const { number, content } = this.#inHand
      this.#budget.release(number)
      if (content) this.#opener.slabs.release(content)
      this.#inHand = undefined
    }
    this.#fill()
  }

  /** Waits for reads that are under way, and closes what is open. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#queue.map(({ opened }) => opened))
    await Promise.all(this.#pieced.map((file) => file.close()))
  }

  #fill(): void {
    while (!this.#isClosed && this.#next < this.#until && this.#hasRoom()) {
      const number = this.#next++
      this.#budget.reserve(number, this.#order.files[number]!)
      this.#running++
      const opened = this.#open(number).finally(() => {
        this.#running--
        this.#fill()
      })
      // Whoever comes to this file gets the failure; until then it must not count as unhandled.
      opened.catch(() => {})
      this.#queue.push({ number, opened })
    }
  }

  #hasRoom(): boolean {
    if (this.#queue.length === 0) return true
    // What answers at once is read when it is wanted, into memory that is still in the CPU's cache.
    if (this.#opener.pace.isImmediate) return false
    const atOnce = this.#running + this.#pieced.filter((file) => file.isOpen).length
    if (atOnce >= this.#concurrency || this.#queue.length >= AHEAD_FILES * this.#concurrency) return false
    return this.#budget.hasRoomFor(this.#order.files[this.#next]!)
  }

  async #open(number: number): Promise<Opened | undefined> {
    const name = this.#order.files[number]!
    const taken = this.#early?.take(name.path)
    const early = taken && (await taken)
    if (early) {
      if (this.#claim(early.facts, number)) return early
      this.#opener.slabs.release(early.content)
      return { facts: early.facts }
    }
    return this.#openAtOnce(name, number) ?? (await this.#openWaiting(name, number))
  }

  /** Without a thread, if the file system answers at once and the file is small; else `undefined`. */
  #openAtOnce(name: ListedName, number: number): Opened | undefined {
    const { pace } = this.#opener
    const guess = this.#budget.guess(name)
    if (!pace.isImmediate || guess > CHUNK) return undefined
    const read = (): Opened | undefined => {
      const file = this.#opener.openSync(name.path)
      if (file === undefined) return undefined
      try {
        const { facts, isSettled } = file
        if (facts.size > CHUNK || !isSettled) return undefined
        if (!this.#claim(facts, number)) return { facts }
        const content = this.#opener.slabs.allocate(facts.size)
        file.readInto(content)
        return { facts, content }
      } finally {
        file.close()
      }
    }
    return pace.measure(read, () => quickMs(guess))
  }

  async #openWaiting(name: ListedName, number: number): Promise<Opened | undefined> {
    const file = await this.#opener.open(name.path)
    if (file === undefined) return undefined
    let isKept = false
    try {
      const { facts } = file
      if (!this.#claim(facts, number)) return { facts }
      if (facts.size > CHUNK) {
        isKept = true
        return this.#keep(new PiecedFile(file, this.#opener.slabs))
      }
      const content = this.#opener.slabs.allocate(facts.size)
      await file.readInto(content)
      return { facts, content }
    } finally {
      if (!isKept) await file.close()
    }
  }

  /** Whether the content is wanted: not for a further name of a file whose content is in the archive already. */
  #claim(facts: FileFacts, number: number): boolean {
    if (!this.#order.inodes.claim(facts, number)) return false
    this.#budget.correct(number, facts.size)
    return true
  }

  #keep(file: PiecedFile): PiecedFile {
    this.#pieced = [...this.#pieced.filter((other) => other.isOpen), file]
    // Beyond the budget it waits for its turn.
    if (!this.#budget.isExceeded) file.readAhead()
    return file
  }
}

const contentOf = (file: Opened | undefined): Buffer | undefined =>
  file !== undefined && 'content' in file ? file.content : undefined
