import { createHash, type Hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { ArchivedFile, ArchiveIndex } from '../../model/archive-index.ts'
import { displayPath } from '../../model/byte-path.ts'
import { digestFrom } from '../../model/digest.ts'
import type { Occurrence } from '../../model/relocation.ts'
import { encodings } from '../../relocate/encodings.ts'
import { PrefixScanner } from '../../relocate/scan.ts'
import { frameStarts } from '../index/decode.ts'
import type { Report } from './finding.ts'

interface OpenFile {
  file: ArchivedFile
  hash: Hash
  scanner: PrefixScanner
  /** Bytes so far. */
  position: number
  /** Occurrences whose bytes are not a prefix. */
  wrong: number
  isLost: boolean
}

/** Compares the files in the frames with what the index says of them. */
export class Contents {
  /** Files that were compared. */
  files = 0
  readonly #index: ArchiveIndex
  readonly #report: Report
  /** Its findings about places of the prefix count, since the same scanner found those. */
  readonly #isOurVersion: boolean
  readonly #starts: readonly number[]
  /** In the order of their bytes. */
  readonly #queue: ArchivedFile[]
  #next = 0
  #open: OpenFile | undefined

  constructor(index: ArchiveIndex, { report, generator }: { report: Report; generator: string }) {
    this.#index = index
    this.#report = report
    this.#isOurVersion = index.generator === generator
    this.#starts = frameStarts(index.frames)
    const files = index.entries.filter((entry) => entry.type === 'file')
    this.#queue = files.sort((a, b) => this.#startOf(a) - this.#startOf(b))
    this.#reportOverlaps()
  }

  /**
   * To be called for each frame, in order.
   * @param content its bytes; undefined if they are lost
   */
  take(frame: number, content: Buffer | undefined): void {
    const [from, to] = [this.#starts[frame]!, this.#starts[frame + 1]!]
    if (this.#open) this.#feed(this.#open, content?.subarray(0, this.#open.file.size - this.#open.position), to - from)
    for (; this.#next < this.#queue.length && this.#startOf(this.#queue[this.#next]!) < to; this.#next++) {
      const open = this.#begin(this.#queue[this.#next]!)
      const start = this.#startOf(open.file) - from
      this.#feed(open, content?.subarray(start, start + open.file.size), to - from - start)
    }
  }

  /** To be called at last: empty files may stand behind the last frame. */
  finish(): void {
    for (; this.#next < this.#queue.length; this.#next++) this.#end(this.#begin(this.#queue[this.#next]!))
  }

  #startOf({ frame, frameOffset }: ArchivedFile): number {
    return this.#starts[frame]! + frameOffset
  }

  #reportOverlaps(): void {
    let until = 0
    for (const file of this.#queue) {
      if (file.size === 0) continue
      if (this.#startOf(file) < until)
        this.#report({ path: file.path, kind: 'content', why: 'has bytes of another file' })
      until = Math.max(until, this.#startOf(file) + file.size)
    }
  }

  #begin(file: ArchivedFile): OpenFile {
    const { prefixes, siblings } = this.#index
    const scanner = new PrefixScanner(prefixes, file, siblings)
    return { file, hash: createHash('sha256'), scanner, position: 0, wrong: 0, isLost: false }
  }

  /** @param room bytes that the frame has for it */
  #feed(open: OpenFile, content: Buffer | undefined, room: number): void {
    const { file } = open
    if (content === undefined) {
      open.isLost = true
      open.position += Math.min(room, file.size - open.position)
    } else {
      open.hash.update(content)
      open.scanner.push(content)
      open.wrong += this.#wrongIn(content, open)
      open.position += content.length
    }
    this.#open = open.position < file.size ? open : undefined
    if (this.#open === undefined) this.#end(open)
  }

  /** How many occurrences do not hold their prefix, of those that end in this piece of the file. */
  #wrongIn(content: Buffer, { file, position }: OpenFile): number {
    let wrong = 0
    for (const occurrence of file.relocation?.occurrences ?? []) {
      const bytes = this.#spelled(occurrence)
      const from = Math.max(occurrence.offset, position)
      const to = Math.min(occurrence.offset + bytes.length, position + content.length)
      if (from >= to) continue
      const expected = bytes.subarray(from - occurrence.offset, to - occurrence.offset)
      if (!content.subarray(from - position, to - position).equals(expected)) wrong++
    }
    return wrong
  }

  readonly #spellings = new Map<string, Buffer>()

  #spelled({ prefix, encoding }: Occurrence): Buffer {
    const key = `${prefix} ${encoding}`
    const known = this.#spellings.get(key) ?? encodings[encoding](this.#index.prefixes[prefix]!)
    this.#spellings.set(key, known)
    return known
  }

  #end({ file, hash, scanner, wrong, isLost }: OpenFile): void {
    this.files++
    const { path, digest, relocation } = file
    if (isLost) {
      this.#report({ path, kind: 'content', why: 'is lost: it is in a damaged frame' })
      return
    }
    if (digestFrom(hash.digest('hex')) !== digest)
      this.#report({ path, kind: 'content', why: 'has other bytes than were packed' })
    if (wrong > 0) {
      const places = `${wrong} of ${relocation!.occurrences.length} places`
      this.#report({
        path,
        kind: 'relocation',
        why: `does not hold the prefix in ${places} where the index says that it does`,
      })
    } else if (!isDeepStrictEqual(scanner.finish(), relocation)) {
      const why = `holds the prefix in other places than the index of ${displayPath(this.#index.generator)} says`
      this.#report({ path, kind: 'relocation', why, harmless: !this.#isOurVersion })
    }
  }
}
