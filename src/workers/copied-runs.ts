import { FRAME_SIZE } from '../archive/format.ts'
import { padding, tarHeaderSize } from '../archive/tar.ts'
import { fileEntry } from '../inventory/facts.ts'
import type { FileFacts } from '../inventory/open-file.ts'
import type { FileOrder } from '../inventory/read-ahead.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { PackedFile } from './packed-files.ts'
import type { CopiesReport, Packed } from './protocol.ts'
import type { Packing, RunPacker } from './run-packer.ts'
import { RUNS_EACH, type Step } from './runs.ts'

/** A file of the original that was looked at. */
export interface Copied {
  facts: FileFacts
  /** Whether a copy of it stands where the stage will have it; such a file fits into a frame. If not, it has to be read. */
  isThere: boolean
}

/** Copies of an environment's files on the local disk. */
export interface Copies {
  /**
   * To be called once for each file.
   * @returns `undefined` if the file has vanished, and is one that may
   * @throws StageError UNREADABLE, CHANGED
   */
  take(path: BytePath): Promise<Copied | undefined>
  /** Removes a copy that is not wanted. */
  discard(path: BytePath): void
  /** Takes note of what a thread has made of copies. */
  report(report: CopiesReport): void
}

/** What a file is in the archive. It is to be read if it has content and no copy. */
type Member = { kind: 'gone' } | { kind: 'link' | 'content' | 'read'; facts: FileFacts }

/** The files from number `from` on that go into one frame, or a single one that is to be read. */
type Run = { from: number } & (
  | { kind: 'packing'; members: Exclude<Member, { kind: 'read' }>[]; packing: Packing | undefined }
  | { kind: 'read' }
)

/** As `Runs`, from copies. How large each file is, is known before it is packed, so what is begun as a run fills its frame. */
export class CopiedRuns {
  readonly #packer: RunPacker
  readonly #order: FileOrder
  readonly #copies: Copies
  readonly #queue: Promise<Run | undefined>[] = []
  #last: Promise<unknown> = Promise.resolve()
  /** The first file that is in no run yet, and what it is. */
  #next = 0
  #member: Promise<Member> | undefined
  #isEnded = false

  constructor(packer: RunPacker, order: FileOrder, copies: Copies) {
    this.#packer = packer
    this.#order = order
    this.#copies = copies
  }

  /** @throws StageError UNREADABLE, CHANGED; zlib's errors */
  async *steps(): AsyncGenerator<Step> {
    for (let run = await this.#take(); run !== undefined; run = await this.#take()) {
      const { from } = run
      if (run.kind === 'read') {
        yield { kind: 'read', number: from }
        continue
      }
      const { packing, members } = run
      const packed = packing ? await packing.packed : NOTHING
      if (packed.copies) this.#copies.report(packed.copies)
      const files = filesOf(members, packed)
      const release = () => packing && this.#packer.giveBack(packing, packed.stored)
      yield { kind: 'packed', from, packed: { ...packed, files }, content: undefined, release }
      // A copy is not what it should be. The stage gets these files from the archive's frames.
      for (let number = from + files.length; number < from + members.length; number++) {
        this.#copies.discard(this.#order.files[number]!.path)
        yield { kind: 'read', number }
      }
    }
  }

  /** Waits for runs under way that nobody will ask for. */
  async end(): Promise<void> {
    this.#isEnded = true
    const underWay = async (made: Promise<Run | undefined>) => {
      const run = await made
      if (run?.kind === 'packing') await run.packing?.packed
    }
    await Promise.allSettled(this.#queue.map(underWay))
  }

  /** The run that comes first. Further ones are made meanwhile. */
  #take(): Promise<Run | undefined> {
    while (this.#queue.length <= RUNS_EACH * this.#packer.threads) {
      const run = this.#last.then(() => this.#make())
      // Whoever comes to it gets the failure; until then it must not count as unhandled.
      run.catch(() => {})
      this.#queue.push(run)
      this.#last = run
    }
    return this.#queue.shift()!
  }

  async #make(): Promise<Run | undefined> {
    const { files } = this.#order
    const from = this.#next
    const members: Exclude<Member, { kind: 'read' }>[] = []
    for (let room = FRAME_SIZE; this.#next < files.length && !this.#isEnded; this.#next++) {
      this.#member ??= this.#memberOf(this.#next)
      const member = await this.#member
      if (member.kind === 'read') break
      if (member.kind === 'content') room -= this.#sizeOf(this.#next, member.facts)
      if (room < 0) break
      members.push(member)
      this.#member = undefined
    }
    if (members.length > 0) return { kind: 'packing', from, members, packing: this.#begin(from, members) }
    if (this.#next === files.length || this.#isEnded) return undefined
    this.#next++
    this.#member = undefined
    return { kind: 'read', from }
  }

  #begin(from: number, members: readonly Member[]): Packing | undefined {
    const content = [...members.entries()].flatMap(([at, member]) => {
      return member.kind === 'content' ? [{ name: this.#order.files[from + at]!, facts: member.facts }] : []
    })
    if (content.length === 0) return undefined
    return this.#packer.beginCopied(
      content.map(({ name }) => name),
      content.map(({ facts }) => facts),
    )
  }

  async #memberOf(number: number): Promise<Member> {
    const { files, inodes } = this.#order
    const { path } = files[number]!
    const copied = await this.#copies.take(path)
    if (copied === undefined) return { kind: 'gone' }
    const { facts, isThere } = copied
    if (!inodes.claim(facts, number)) {
      if (isThere) this.#copies.discard(path)
      return { kind: 'link', facts }
    }
    return { kind: isThere ? 'content' : 'read', facts }
  }

  /** Bytes of a file's member. */
  #sizeOf(number: number, facts: FileFacts): number {
    const entry = fileEntry(this.#order.files[number]!, facts)
    return tarHeaderSize(entry, this.#packer.root) + facts.size + padding(facts.size)
  }
}

const NOTHING: Packed = { files: [], size: 0, stored: new Uint8Array(0), storedChecksum: 0 }

/** All files of a run up to the first that a thread could not pack. */
function filesOf(members: readonly Member[], packed: Packed): PackedFile[] {
  const files: PackedFile[] = []
  let next = 0
  for (const member of members) {
    if (member.kind === 'gone') files.push({})
    else if (member.kind !== 'content') files.push({ facts: member.facts })
    else if (next === packed.files.length) break
    else files.push({ ...packed.files[next++]!, facts: member.facts })
  }
  return files
}
