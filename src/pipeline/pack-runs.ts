import { FRAME_SIZE } from '../archive/format.ts'
import { throwIfCancelled } from '../inventory/cancel.ts'
import { fileEntry } from '../inventory/facts.ts'
import { archiveOrder } from '../inventory/order.ts'
import { type ReadOptions, readFiles, readOthers } from '../inventory/read.ts'
import type { FileOrder } from '../inventory/read-ahead.ts'
import type { ArchiveItem, PackedFrame } from '../model/item.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { release } from '../platform/release.ts'
import type { FrameWorkers } from '../workers/pool.ts'
import type { PackedFile, PackedFiles, PackOrder } from '../workers/protocol.ts'

/** Bytes that a member takes besides its content: a header, mostly with a pax header for the parts of a second, and padding. */
const HEADERS = 1792
/** Of a file of which nothing is known, before any has been read. */
const USUAL_SIZE = 16 * 1024
/** Bytes from which threads are worth their start. */
const ENOUGH = 2 * FRAME_SIZE
/** More than that take in more than one thread can order and write; each costs some 15 MB. */
const MOST_THREADS = 8
/** Runs under way for each thread: one that it packs, one that waits for it. */
const RUNS_EACH = 2

/** Threads that pack in runs, of so many that may be used. */
export const runThreads = (threads: number): number => Math.max(1, Math.min(threads, MOST_THREADS))

export interface RunOptions extends Pick<PackOrder, 'prefixes' | 'root' | 'format' | 'level'> {
  workers: Pick<FrameWorkers, 'pack'>
  /** As for `runThreads`. */
  threads: number
  /** The frames' contents are wanted, too. */
  shareContent: boolean
  /** For files that are not packed in runs. */
  read: ReadOptions
}

/** Files that will fill a frame, from number `from` on, up to number `until`. */
interface Run {
  from: number
  until: number
  /** undefined for a file that is too large for one frame. */
  packed?: Promise<PackedFiles>
  content?: SharedArrayBuffer | undefined
}

/** Everything in the environment, its files as by `packInRuns`. */
export async function* packedItems(
  environment: { prefix: string },
  entries: readonly Listed[],
  options: RunOptions,
): AsyncGenerator<ArchiveItem | PackedFrame> {
  const { files, ...others } = archiveOrder(entries)
  yield* readOthers(environment, others, options.read)
  yield* packInRuns({ prefix: environment.prefix, files, names: new Map() }, options)
}

/** Whether there is enough to pack. */
export function isWorthRuns(entries: readonly Listed[]): boolean {
  let bytes = 0
  for (const entry of entries) if (entry.type === 'file') bytes += HEADERS + (entry.recordedSize ?? USUAL_SIZE)
  return bytes > ENOUGH
}

/**
 * Packs files in worker threads, each of which reads, looks through and compresses files of its own, a frame at a time. For file
 * systems that answer at once: there reading is no more than a copy, and what it is handed about for costs more than
 * itself. From the first place on where the file system turns out to be slow, all files are read as by `readFiles`, with
 * many requests at once. The result is the same, in the archive's order, whatever the number of threads.
 * @throws as `readFiles`
 */
export async function* packInRuns(order: FileOrder, options: RunOptions): AsyncGenerator<ArchiveItem | PackedFrame> {
  const runs = new Runs(order, options)
  try {
    for (let run = runs.take(); run !== undefined; run = runs.take()) {
      throwIfCancelled(options.read.signal, order.prefix)
      let next = run.from
      if (run.packed !== undefined) {
        const packed = await runs.settle(run)
        yield* runs.itemsOf(run, packed)
        next += packed.files.length
        if (packed.stopped === 'slow') {
          yield* readFiles(order, { ...options.read, from: next })
          return
        }
        if (packed.stopped !== 'file') {
          runs.putBack(next, run.until)
          continue
        }
      }
      yield* readFiles(order, { ...options.read, from: next, until: next + 1 })
      runs.putBack(next + 1, run.until)
    }
  } finally {
    await runs.end()
  }
}

class Runs {
  readonly #order: FileOrder
  readonly #options: RunOptions
  #begun: Run[] = []
  #next = 0
  #free: SharedArrayBuffer[] = []
  #seen = { files: 1, bytes: USUAL_SIZE }

  constructor(order: FileOrder, options: RunOptions) {
    this.#order = order
    this.#options = options
  }

  /** The first that is under way, in order; and begins others. */
  take(): Run | undefined {
    while (
      this.#begun.length < RUNS_EACH * runThreads(this.#options.threads) &&
      this.#next < this.#order.files.length
    ) {
      const run = this.#begin(this.#next, this.#order.files.length)
      this.#begun.push(run)
      this.#next = run.until
    }
    return this.#begun.shift()
  }

  /** Files that come next after all. */
  putBack(from: number, until: number): void {
    const runs: Run[] = []
    for (let next = from; next < until; next = runs.at(-1)!.until) runs.push(this.#begin(next, until))
    this.#begun.unshift(...runs)
  }

  /** The run's result, in which each inode that the archive has already is a further name. */
  async settle(run: Run): Promise<PackedFiles> {
    const links = new Map<number, PackedFile>()
    for (;;) {
      const packed = await run.packed!
      for (const [at, link] of links) if (at < packed.files.length) packed.files[at] = link
      const twice = this.#claim(run, packed)
      if (twice.length === 0) return packed
      // Other threads had them at the same time.
      for (const at of twice) links.set(at, { facts: packed.files[at]!.facts! })
      release(packed.stored)
      run.packed = this.#pack(run, [...links.keys()])
    }
  }

  /** Takes the inodes of a run's files. Gives those of which the archive would have the content twice. */
  #claim({ from }: Run, { files }: PackedFiles): number[] {
    const { names } = this.#order
    return [...files.entries()].flatMap(([at, { facts, content }]) => {
      if (facts?.inode === undefined) return []
      const first = names.get(facts.inode)
      if (first === undefined) names.set(facts.inode, from + at)
      return content !== undefined && first !== undefined && first < from ? [at] : []
    })
  }

  *itemsOf(run: Run, { files, size, stored, storedChecksum }: PackedFiles): Generator<ArchiveItem | PackedFrame> {
    const { onRead } = this.#options.read
    const packed: PackedFrame['files'] = []
    const links: ArchiveItem[] = []
    for (const [at, { facts, content }] of files.entries()) {
      const name = this.#order.files[run.from + at]!
      onRead?.(content === undefined ? 0 : facts!.size, name.path)
      if (facts === undefined) continue
      if (content !== undefined) {
        packed.push({ ...fileEntry(name, facts), ...content })
        this.#seen.files++
        this.#seen.bytes += facts.size
      } else links.push({ entry: this.#linkOf(name, facts) })
    }
    yield* links
    if (packed.length === 0) return
    const shared = run.content && Buffer.from(run.content, 0, size)
    yield {
      files: packed,
      size,
      stored: Buffer.from(stored.buffer, stored.byteOffset, stored.length),
      storedChecksum,
      ...(shared && { content: shared }),
      release: () => {
        release(stored)
        if (run.content) this.#free.push(run.content)
      },
    }
  }

  #linkOf({ path }: ListedName, { mode, mtimeNs, inode }: NonNullable<PackedFiles['files'][number]['facts']>) {
    const { files, names } = this.#order
    return { type: 'hardlink', path, mode, mtimeNs, target: files[names.get(inode!)!]!.path } as const
  }

  /** Waits for what is under way, which nobody will ask for. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#begun.map(({ packed }) => packed))
  }

  #begin(from: number, most: number): Run {
    const { files } = this.#order
    let until = from
    for (let room = FRAME_SIZE; until < most; until++) {
      room -= HEADERS + this.#sizeOf(files[until]!)
      if (room < 0) break
    }
    if (until === from) return { from, until: from + 1 }
    const content = this.#options.shareContent ? (this.#free.pop() ?? new SharedArrayBuffer(FRAME_SIZE)) : undefined
    const run: Run = { from, until, content }
    run.packed = this.#pack(run, [])
    return run
  }

  #pack({ from, until, content }: Run, links: number[]): Promise<PackedFiles> {
    const { prefix, files } = this.#order
    const { workers, prefixes, root, format, level } = this.#options
    const packed = workers.pack({
      prefix,
      files: files.slice(from, until),
      links,
      prefixes,
      root,
      format,
      level,
      ...(content && { content }),
    })
    // Whoever comes to it gets the failure; until then it is no unhandled one.
    packed.catch(() => {})
    return packed
  }

  #sizeOf({ recordedSize }: ListedName): number {
    return recordedSize ?? this.#seen.bytes / this.#seen.files
  }
}
