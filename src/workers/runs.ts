import { FRAME_SIZE } from '../archive/format.ts'
import { fileEntry } from '../inventory/facts.ts'
import { byPackage } from '../inventory/order.ts'
import type { FileOrder } from '../inventory/read-ahead.ts'
import { type FileFacts, isAsRead } from '../inventory/read-file.ts'
import { changedFolders } from '../inventory/settle.ts'
import { type BytePath, parentOf } from '../model/byte-path.ts'
import type { ArchiveItem, PackedFrame } from '../model/item.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { release } from '../platform/release.ts'
import type { PackedFile, PackedFiles } from './packed-files.ts'
import type { FrameWorkers } from './pool.ts'
import type { PackOrder } from './protocol.ts'

/** Bytes that a member takes besides its content: a header, mostly with a pax header for the parts of a second, and padding. */
const HEADERS = 1792
/** Of a file of which nothing is known, before any has been read. */
const USUAL_SIZE = 16 * 1024
/** Bytes from which threads are worth their start. */
const ENOUGH = 2 * FRAME_SIZE
/** Runs under way for each thread: one that it packs, one that waits for it. */
const RUNS_EACH = 2
/** Runs begun before the listing has ended: all of them are kept until then, with their content where that is wanted too. */
const MOST_EARLY = 8
const MOST_EARLY_SHARED = 3

const NOTHING: PackedFiles = { files: [], size: 0, stored: new Uint8Array(0), storedChecksum: 0 }

/** Whether there is enough to pack. */
export function isWorthRuns(entries: readonly Listed[]): boolean {
  let bytes = 0
  for (const entry of entries) if (entry.type === 'file') bytes += HEADERS + (entry.recordedSize ?? USUAL_SIZE)
  return bytes > ENOUGH
}

export interface RunOptions extends Pick<PackOrder, 'prefix' | 'prefixes' | 'siblings' | 'root' | 'format' | 'level'> {
  workers: Pick<FrameWorkers, 'pack'>
  /** Of the workers. */
  threads: number
  /** The frames' contents are wanted, too. */
  shareContent: boolean
}

/** Files that will fill a frame, from number `from` of the order on, up to number `until`. */
export interface Run {
  from: number
  until: number
  /** undefined for a file that is too large for one frame. */
  packed?: Promise<PackedFiles> | undefined
  content?: SharedArrayBuffer | undefined
  /** What was packed before it was known what there is. */
  early?: readonly ListedName[]
}

/** Frames that threads are packing, in order. */
export class Runs {
  readonly #options: RunOptions
  #order: FileOrder
  #begun: Run[] = []
  #next = 0
  readonly #since = Date.now()
  #changed: ReadonlySet<BytePath> = new Set()
  readonly #free: SharedArrayBuffer[] = []
  readonly #seen = { files: 1, bytes: USUAL_SIZE }

  constructor(options: RunOptions) {
    this.#options = options
    this.#order = { prefix: options.prefix, files: [], names: new Map() }
  }

  /**
   * Begins with what conda's records list, while the folders are being listed. What they have wrong is packed anew.
   * @param files in the archive's order
   */
  beginEarly(files: readonly ListedName[]): void {
    const most = this.#options.shareContent ? MOST_EARLY_SHARED : MOST_EARLY
    for (let next = 0; this.#begun.length < most && next < files.length; next = this.#begun.at(-1)!.until) {
      const run = this.#begin(files, next, { mayBeMissing: true })
      this.#begun.push({ ...run, early: files.slice(run.from, run.until) })
    }
  }

  /**
   * Goes on with what there is.
   * @param listed all of it, for the folders that may have changed meanwhile
   */
  goOn(order: FileOrder, listed: readonly Listed[]): void {
    this.#order = order
    const { files } = order
    this.#changed = changedFolders(listed, this.#since)
    for (const run of this.#begun) {
      const last = run.early!.at(-1)!
      run.from = this.#next
      while (this.#next < files.length && byPackage(files[this.#next]!, last) <= 0) this.#next++
      run.until = this.#next
    }
    this.#begun = this.#begun.filter(({ from, until }) => from < until)
  }

  /** The first that is under way; and begins others. */
  take(): Run | undefined {
    const { files } = this.#order
    const atOnce = RUNS_EACH * this.#options.threads
    while (this.#begun.filter(({ early }) => !early).length < atOnce && this.#next < files.length) {
      const run = this.#begin(files, this.#next)
      this.#begun.push(run)
      this.#next = run.until
    }
    return this.#begun.shift()
  }

  /** Files that come next after all. */
  putBack(from: number, until: number): void {
    const files = this.#order.files.slice(0, until)
    const runs: Run[] = []
    for (let next = from; next < until; next = runs.at(-1)!.until) runs.push(this.#begin(files, next))
    this.#begun.unshift(...runs)
  }

  /** The run's result, in which each inode that the archive has already is a further name. */
  async settle(run: Run): Promise<PackedFiles> {
    const links = new Map<number, PackedFile>()
    let packed = run.early ? await this.#foundEarly(run, run.early) : await run.packed!
    for (;;) {
      for (const [at, link] of links) if (at < packed.files.length) packed.files[at] = link
      const twice = this.#claim(run, packed)
      if (twice.length === 0) return packed
      // Other threads had them at the same time.
      for (const at of twice) links.set(at, { facts: packed.files[at]!.facts! })
      release(packed.stored)
      const again = { ...run, until: run.from + packed.files.length }
      packed = await this.#pack(again, this.#order.files, { links: [...links.keys()] })
    }
  }

  /** What was packed early, if it is what there is; else nothing. */
  async #foundEarly({ from, packed: packing }: Run, names: readonly ListedName[]): Promise<PackedFiles> {
    const packed = await packing?.catch(() => NOTHING)
    if (packed === undefined) return NOTHING
    const there = [...packed.files.entries()].filter(([, { facts }]) => facts !== undefined)
    const isAsListed = there.every(([at], number) => this.#order.files[from + number]?.path === names[at]!.path)
    const inChanged = there.filter(([at]) => this.#changed.has(parentOf(names[at]!.path)))
    const isSame = ([at, { facts }]: (typeof there)[number]) =>
      isAsRead({ prefix: this.#order.prefix, path: names[at]!.path }, facts!)
    if (isAsListed && (await Promise.all(inChanged.map(isSame))).every(Boolean))
      return { ...packed, files: there.map(([, file]) => file) }
    release(packed.stored)
    return NOTHING
  }

  /** Takes the inodes of a run's files. Gives those of which the archive would have the content twice. */
  #claim({ from }: Pick<Run, 'from'>, { files }: Pick<PackedFiles, 'files'>): number[] {
    const { names } = this.#order
    return [...files.entries()].flatMap(([at, { facts, content }]) => {
      if (facts?.inode === undefined) return []
      const first = names.get(facts.inode)
      if (first === undefined) names.set(facts.inode, from + at)
      return content !== undefined && first !== undefined && first < from ? [at] : []
    })
  }

  /** @param onFile called with each file: its bytes, none of a further name, and its path */
  *itemsOf(
    run: Run,
    { files, size, stored, storedChecksum }: PackedFiles,
    onFile: (bytes: number, path: string) => void,
  ): Generator<ArchiveItem | PackedFrame> {
    const packed: PackedFrame['files'] = []
    for (const [at, { facts, content }] of files.entries()) {
      const name = this.#order.files[run.from + at]!
      onFile(content === undefined ? 0 : facts!.size, name.path)
      if (facts === undefined) continue
      if (content === undefined) yield { entry: this.#linkOf(name, facts) }
      else packed.push({ ...fileEntry(name, facts), ...content })
    }
    const giveBack = (): void => {
      release(stored)
      if (run.content) this.#free.push(run.content)
    }
    if (packed.length === 0) return giveBack()
    this.#seen.files += packed.length
    for (const file of packed) this.#seen.bytes += file.size
    const content = run.content && Buffer.from(run.content, 0, size)
    const { buffer, byteOffset, length } = stored
    const frame = { size, stored: Buffer.from(buffer, byteOffset, length), storedChecksum, ...(content && { content }) }
    yield { files: packed, ...frame, release: giveBack }
  }

  #linkOf({ path }: ListedName, { mode, mtimeNs, inode }: FileFacts) {
    const { files, names } = this.#order
    return { type: 'hardlink', path, mode, mtimeNs, target: files[names.get(inode!)!]!.path } as const
  }

  /** Waits for what is under way, which nobody will ask for. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#begun.map(({ packed }) => packed))
  }

  #begin(files: readonly ListedName[], from: number, how: How = {}): Run {
    let until = from
    for (let room = FRAME_SIZE; until < files.length; until++) {
      room -= HEADERS + this.#sizeOf(files[until]!)
      if (room < 0) break
    }
    if (until === from) return { from, until: from + 1 }
    const content = this.#options.shareContent ? (this.#free.pop() ?? new SharedArrayBuffer(FRAME_SIZE)) : undefined
    const run = { from, until, content }
    return { ...run, packed: this.#pack(run, files, how) }
  }

  #pack({ from, until, content }: Run, files: readonly ListedName[], how: How): Promise<PackedFiles> {
    const { workers, prefix, prefixes, siblings, root, format, level } = this.#options
    const { links = [], mayBeMissing = false } = how
    const searched = { prefixes, ...(siblings && { siblings }) }
    const order = { prefix, files: files.slice(from, until), links, mayBeMissing, ...searched, root, format, level }
    const packed = workers.pack({ ...order, ...(content && { content }) })
    // Whoever comes to it gets the failure; until then it is no unhandled one.
    packed.catch(() => {})
    return packed
  }

  #sizeOf({ recordedSize }: ListedName): number {
    return recordedSize ?? this.#seen.bytes / this.#seen.files
  }
}

type How = Partial<Pick<PackOrder, 'links' | 'mayBeMissing'>>
