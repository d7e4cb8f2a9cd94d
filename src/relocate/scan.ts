import type { BytePath } from '../model/byte-path.ts'
import type { FileEntry } from '../model/entry.ts'
import type { ContentKind, Occurrence, Relocation } from '../model/relocation.ts'
import { endsComponent, REACH, startsPath } from './boundary.ts'
import { CStrings, STRING_REACH } from './c-strings.ts'
import { type DynamicSection, dynamicReferences, findDynamicSection } from './elf.ts'
import { encodings, unitWidth } from './encodings.ts'
import { kindOf } from './kind.ts'
import { countedString, MARSHAL_REACH } from './marshal.ts'
import { type Match, prepareSearch, type Search, standsAt } from './search.ts'
import { headLength } from './shebang.ts'

/** Bytes kept of a file's beginning: they tell its kind and hold its first lines and its program headers. */
const HEAD_LENGTH = 16384

/** Bytes before a match that the decision about it may look at. */
const BEFORE = Math.max(4 * REACH, MARSHAL_REACH + 8, STRING_REACH)

/** Bytes behind a match that the decision may look at. */
const BEHIND = Math.max(4 * REACH, MARSHAL_REACH + 8)

/** Prepared searches by prefixes: all files of an environment are searched for the same ones. */
const searches = new Map<string, ReturnType<typeof prepareSearch>>()

/**
 * Finds the prefixes in a file. Push the file's bytes in order, in chunks of any size, then call `finish`.
 * The result does not depend on the chunks. The scanner keeps no chunk, only a few tens of KiB and the result.
 */
export class PrefixScanner {
  readonly #prefixes: readonly string[]
  readonly #size: number
  readonly #file: { path: BytePath; placeholder?: FileEntry['placeholder'] }
  readonly #search: Search
  /** A match that starts closer than this to the end of the data is decided when more data has come. */
  readonly #after: number
  readonly #occurrences: Occurrence[] = []
  #strings: CStrings | undefined
  #head: Buffer = Buffer.alloc(0)
  #dynamic: (DynamicSection & { bytes: Buffer }) | undefined
  #hasNul = false
  /** The last bytes so far, as many as later decisions may look back at. */
  #tail: Buffer = Buffer.alloc(0)
  #seen = 0
  /** Every match before this offset is decided. */
  #decided = 0
  #foundUntil = 0

  /** @param prefixes absolute, without a trailing slash: the logical prefix and, if it differs, the real one */
  constructor(
    prefixes: readonly string[],
    file: { path: BytePath; size: number; placeholder?: FileEntry['placeholder'] },
  ) {
    this.#prefixes = prefixes
    this.#file = file
    this.#size = file.size
    const key = prefixes.join('\0')
    const prepared = searches.get(key) ?? prepareSearch(prefixes)
    searches.set(key, prepared)
    this.#search = prepared.search
    this.#after = prepared.longest + BEHIND
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    const start = this.#seen
    this.#seen += chunk.length
    this.#hasNul ||= chunk.includes(0)
    if (chunk.length === this.#size && this.#search(chunk, 0, this.#hasNul).length === 0) {
      // Most files hold no prefix.
      this.#decided = this.#size
      return
    }
    this.#keepHead(chunk)
    this.#keepDynamic(chunk, start)
    // Only the seam between two chunks is copied; the bulk of a large chunk is searched in place.
    const seam = BEFORE + this.#after
    const joined = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk.subarray(0, seam)])
    this.#scan(joined, start - this.#tail.length, this.#after)
    if (chunk.length > seam) this.#scan(chunk, start, this.#after)
    const last = chunk.length > seam ? chunk : joined
    this.#tail = Buffer.from(last.subarray(Math.max(0, last.length - seam)))
  }

  /** Call it once, after the last chunk. Returns undefined if the file holds no prefix. */
  finish(): Relocation | undefined {
    this.#scan(this.#tail, this.#seen - this.#tail.length, 0)
    const occurrences = this.#occurrences
    if (occurrences.length === 0) return undefined
    const wide = occurrences.every(({ encoding }) => unitWidth[encoding] > 1)
    const kind = kindOf(this.#head, this.#file.path, { hasNul: this.#hasNul, wide })
    return { kind, occurrences, ...this.#details(kind) }
  }

  /** What some kinds need besides the places: see the fields of Relocation. */
  #details(kind: ContentKind): Pick<Relocation, 'head' | 'dynamic'> {
    if (kind === 'text') {
      const head = headLength(this.#head, this.#seen === this.#head.length)
      return head !== undefined && this.#occurrences[0]!.offset < head ? { head } : {}
    }
    if ((kind !== 'elf' && kind !== 'binary') || !this.#strings) return {}
    const references = kind === 'elf' && this.#dynamic ? dynamicReferences(this.#head, this.#dynamic.bytes) : []
    const length = ({ prefix }: Occurrence): number => Buffer.byteLength(this.#prefixes[prefix]!)
    const dynamic = this.#strings.finish(references, length, this.#file.placeholder)
    return dynamic.length > 0 ? { dynamic } : {}
  }

  /** Decides all matches of a window that begins at offset `base`, except those in its last `reserve` bytes. */
  #scan(window: Buffer, base: number, reserve: number): void {
    const until = base + window.length - reserve
    if (until <= this.#decided) return
    for (const { needle, start } of this.#search(window, this.#decided - base, this.#hasNul)) {
      const offset = base + start
      if (offset >= until) break
      if (offset < this.#foundUntil || !this.#isOurs(window, { needle, start }, base)) continue
      const occurrence = this.#occurrenceAt(window, { needle, start }, base)
      this.#occurrences.push(occurrence)
      this.#foundUntil = offset + needle.bytes.length
      if (unitWidth[needle.encoding] > 1) continue
      this.#strings ??= new CStrings({ keepText: this.#head.toString('latin1', 0, 4) === '\x7fELF' })
      this.#strings.add(window, base, occurrence)
    }
    this.#strings?.advance(window, base, until)
    this.#decided = until
  }

  /** A plain spelling behind `file://` belongs to a URL, and must be spelled as one if the new prefix holds a blank. */
  #occurrenceAt(window: Buffer, { needle, start }: Match, base: number): Occurrence {
    const isUrl =
      needle.encoding === 'utf8' &&
      window.toString('latin1', Math.max(0, start - 7), start) === 'file://' &&
      encodings.percent(this.#prefixes[needle.prefix]!).equals(needle.bytes)
    return { offset: base + start, prefix: needle.prefix, encoding: isUrl ? 'percent' : needle.encoding }
  }

  #isOurs(window: Buffer, { needle, start }: Match, base: number): boolean {
    const { bytes, encoding } = needle
    const width = unitWidth[encoding]
    const end = start + bytes.length
    const unit = (at: number): number => {
      if (at < 0 || at + width > window.length) return -1
      return encoding.endsWith('be') ? window.readUIntBE(at, width) : window.readUIntLE(at, width)
    }
    if (width > 1 && this.#isOtherOrder(window, { needle, start }, base)) return false
    const starts = startsPath((n) => unit(start - (n + 1) * width))
    const ends = endsComponent((n) => unit(end + n * width))
    if ((starts && ends) || width > 1 || !this.#isPyc()) return starts && ends
    // The bytes around a counted string are no text, even if they look like letters.
    const string = countedString(window, start, end)
    if (!string) return false
    return (ends || string.end === end) && startsPath((n) => (start - n - 1 < string.start ? -1 : unit(start - n - 1)))
  }

  #isPyc(): boolean {
    return kindOf(this.#head, this.#file.path, { hasNul: true, wide: false }) === 'pyc'
  }

  /** ASCII in one byte order is also ASCII in the other, a few bytes further: the aligned one is meant, else little-endian. */
  #isOtherOrder(window: Buffer, { needle, start }: Match, base: number): boolean {
    const { encoding, bytes } = needle
    const width = unitWidth[encoding]
    if ((base + start) % width === 0) return false
    const isBig = encoding.endsWith('be')
    const other = start + (isBig ? width - 1 : 1 - width)
    const isAligned = (base + other) % width === 0
    const swapped = Buffer.from(bytes)
    if (width === 2) swapped.swap16()
    else swapped.swap32()
    return (isAligned || isBig) && standsAt(window, swapped, other)
  }

  #keepHead(chunk: Buffer): void {
    const missing = HEAD_LENGTH - this.#head.length
    if (missing <= 0) return
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, missing)])
    if (this.#dynamic || this.#head.toString('latin1', 0, 4) !== '\x7fELF') return
    const section = findDynamicSection(this.#head)
    if (section) this.#dynamic = { ...section, bytes: Buffer.alloc(section.size) }
  }

  #keepDynamic(chunk: Buffer, start: number): void {
    if (!this.#dynamic) return
    const { bytes, offset } = this.#dynamic
    copyOverlap(bytes, offset, this.#head, 0)
    copyOverlap(bytes, offset, chunk, start)
  }
}

/** Copies the bytes that two pieces of a file share. Each piece begins at its own offset of the file. */
function copyOverlap(target: Buffer, targetStart: number, source: Buffer, sourceStart: number): void {
  const from = Math.max(targetStart, sourceStart)
  const to = Math.min(targetStart + target.length, sourceStart + source.length)
  if (from < to) source.copy(target, from - targetStart, from - sourceStart, to - sourceStart)
}
