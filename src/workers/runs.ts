import type { FileOrder } from '../inventory/read-ahead.ts'
import { release } from '../platform/release.ts'
import type { PackedFile, PackedFiles } from './packed-files.ts'
import type { Packing, RunPacker } from './run-packer.ts'

/** Runs under way for each thread: one that it packs, one that waits for it. */
export const RUNS_EACH = 2

/** The files from number `from` up to but without number `until`, which a thread packs. */
interface PackingRun {
  kind: 'packing'
  from: number
  until: number
  packing: Packing
}

/** `large`: begins with a file that is too large for one frame. */
type Run = PackingRun | { kind: 'large'; from: number; until: number }

/** What comes next in the archive's order. */
export type Step =
  /** Files that a thread has packed, from number `from` on. `release` is to be called when their frame is done with. */
  | { kind: 'packed'; from: number; packed: PackedFiles; content: Buffer | undefined; release(): void }
  /** A file for the main thread: too large for a frame, or changed just now. */
  | { kind: 'read'; number: number }
  /** From this file on the file system is too slow for runs. This is the last step. */
  | { kind: 'slow'; from: number }

/** Has threads pack the files of an environment, and gives the results in order. */
export class Runs {
  readonly #packer: RunPacker
  readonly #order: FileOrder
  readonly #queue: Run[] = []
  /** The first file that is in no run yet. */
  #next = 0

  constructor(packer: RunPacker, order: FileOrder) {
    this.#packer = packer
    this.#order = order
  }

  /** @throws StageError UNREADABLE, CHANGED; zlib's errors */
  async *steps(): AsyncGenerator<Step> {
    for (let run = this.#take(); run !== undefined; run = this.#take()) {
      const packed = run.kind === 'large' ? undefined : await this.#resultOf(run)
      let next = run.from
      if (packed && run.kind !== 'large') {
        yield this.#packedStep(run, packed)
        next += packed.files.length
      }
      if (packed?.stopped === 'slow') return void (yield { kind: 'slow', from: next })
      if (run.kind === 'large' || packed?.stopped === 'file') yield { kind: 'read', number: next++ }
      this.#putBack(next, run.until)
    }
  }

  /** Waits for runs under way that nobody will ask for. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#queue.map((run) => run.kind !== 'large' && run.packing.packed))
  }

  /** The run that comes first. Begins further ones. */
  #take(): Run | undefined {
    const { files } = this.#order
    const atOnce = RUNS_EACH * this.#packer.threads
    while (this.#queue.length < atOnce && this.#next < files.length) {
      const run = this.#begin(this.#next, files.length)
      this.#queue.push(run)
      this.#next = run.until
    }
    return this.#queue.shift()
  }

  /** Has these files come next: they did not fit into the frame of their run. */
  #putBack(from: number, until: number): void {
    const runs: Run[] = []
    for (let next = from; next < until; next = runs.at(-1)!.until) runs.push(this.#begin(next, until))
    this.#queue.unshift(...runs)
  }

  /** A run that begins with file `from` and ends before file `end`. */
  #begin(from: number, end: number): Run {
    const { files } = this.#order
    const until = this.#packer.endOfRun(files, from, end)
    if (until === from) return { kind: 'large', from, until: from + 1 }
    return { kind: 'packing', from, until, packing: this.#packer.begin(files.slice(from, until)) }
  }

  #packedStep({ from, packing }: PackingRun, packed: PackedFiles): Step {
    this.#packer.learn(packed)
    const content = packing.content && Buffer.from(packing.content, 0, packed.size)
    return { kind: 'packed', from, packed, content, release: () => this.#packer.giveBack(packing, packed.stored) }
  }

  /** The run's files. An inode whose content the archive has already is a further name in them. */
  async #resultOf({ from, packing }: PackingRun): Promise<PackedFiles> {
    let packed: PackedFiles = await packing.packed
    const links = new Map<number, PackedFile>()
    for (;;) {
      for (const [at, link] of links) if (at < packed.files.length) packed.files[at] = link
      const twice = this.#packedTwice(from, packed)
      if (twice.length === 0) return packed
      // Another thread has packed them at the same time.
      for (const at of twice) links.set(at, { facts: packed.files[at]!.facts! })
      release(packed.stored)
      const files = this.#order.files.slice(from, from + packed.files.length)
      packed = await this.#packer.again(packing, files, [...links.keys()])
    }
  }

  /** Claims the inodes of a run's files. Gives those whose content the archive would have twice. */
  #packedTwice(from: number, { files }: PackedFiles): number[] {
    return [...files.entries()].flatMap(([at, { facts, content }]) => {
      const isFirst = facts === undefined || this.#order.inodes.claim(facts, from + at)
      return content !== undefined && !isFirst ? [at] : []
    })
  }
}
