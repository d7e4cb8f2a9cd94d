import { basename } from 'node:path'
import type { BytePath } from '../model/byte-path.ts'
import type { FileEntry } from '../model/entry.ts'
import type { Occurrence, Outward, Relocation, Siblings } from '../model/relocation.ts'
import { isFileUrl, type Lead, REACH } from './boundary.ts'
import { CStrings, STRING_REACH } from './c-strings.ts'
import {
  COUNTED_STRINGS,
  copyOverlap,
  type DynamicSection,
  dynamicReferences,
  findDynamicSection,
  isGo,
} from './elf.ts'
import { encodings, unitWidth } from './encodings.ts'
import { hasLengthHeader, isElf, isPyc, isReadable, isScript, kindOf } from './kind.ts'
import { MARSHAL_REACH, stringAround } from './marshal.ts'
import { outwardPaths } from './outward.ts'
import { findPayload } from './payload.ts'
import { findStrings, isNeverRemade } from './pyc.ts'
import { type Match, preparedSearch, type Search } from './search.ts'
import { headLength } from './shebang.ts'
import {
  dataSigns,
  endsName,
  hasControl,
  isCounted,
  isOtherOrder,
  isPathOfString,
  leadBefore,
  leavesPrefix,
  mayLead,
  textBefore,
} from './surroundings.ts'

/** Bytes kept of a file's beginning: they tell its kind and hold its first lines and its program headers. */
const HEAD_LENGTH = 16384

/** The same of a script: in front of an installer's container 10 to 30 KiB of it stand. */
const SCRIPT_LENGTH = 65536

/** Bytes before a match that the decision about it may look at. */
const BEFORE = Math.max(4 * REACH, MARSHAL_REACH + 8, STRING_REACH)

/** Bytes behind a match that the decision may look at. */
const BEHIND = Math.max(4 * REACH, MARSHAL_REACH + 8)

const NOTHING = Buffer.alloc(0)

/**
 * conda's configuration says where conda is to install and what to keep where. That is the user's, and stays when a copy goes: a
 * base's own configuration may name its `envs` and `pkgs`.
 */
const CONDAS_CONFIGURATION = /^(?:\.?condarc|\.mambarc|condarc\.d\/[^/]+\.ya?ml)$/

/** Larger byte code is not read in full. */
const MAX_PYC = 64 * 1024 * 1024

/** A match behind a path or the like: what it is depends on what the whole file turns out to be. */
interface Doubt {
  occurrence: Occurrence
  lead: Lead
  isCounted: boolean
  /** The path before it begins a C string, so that nothing else stands there. */
  isString: boolean
}

export interface ScannedFile {
  path: BytePath
  size: number
  placeholder?: FileEntry['placeholder']
}

/**
 * Finds the prefixes in a file. Push the file's bytes in order, in chunks of any size, then call `finish`.
 * The result does not depend on the chunks. The scanner keeps no chunk, only some tens of KiB and the result; of byte code
 * that Python never compiles anew it keeps all.
 */
export class PrefixScanner {
  readonly #prefixes: readonly string[]
  /** What a copy is called. */
  readonly #name: string
  readonly #file: ScannedFile
  readonly #search: Search
  /** A match that starts closer than this to the end of the data is decided when more data has come. */
  readonly #after: number
  #occurrences: Occurrence[] = []
  readonly #doubts: Doubt[] = []
  #unsure = 0
  #strings: CStrings | undefined
  #head: Buffer = NOTHING
  #headLength = HEAD_LENGTH
  #isPyc = false
  #dynamic: (DynamicSection & { bytes: Buffer }) | undefined
  #hasNul = false
  #hasCountedStrings = false
  readonly #data = { isBinary: false, right: 0, wrong: 0 }
  #pyc: Buffer[] | undefined
  /** The last bytes so far, as many as later decisions may look back at. */
  #tail: Buffer = NOTHING
  #seen = 0
  /** Every match before this offset is decided. */
  #decided = 0
  #foundUntil = 0
  #outward: Outward[] | undefined

  /**
   * @param prefixes absolute, without a trailing slash: the logical prefix and, if it differs, the real one
   * @param siblings evidence for other paths; without it, the characters behind a match decide
   */
  constructor(prefixes: readonly string[], file: ScannedFile, siblings?: Siblings) {
    this.#prefixes = prefixes
    this.#name = basename(prefixes[0]!)
    this.#file = file
    const { search, longest } = preparedSearch(prefixes, siblings)
    this.#search = search
    this.#after = longest + BEHIND
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    const start = this.#seen
    this.#seen += chunk.length
    this.#hasNul ||= chunk.includes(0)
    if (chunk.length === this.#file.size) this.#outward = outwardPaths(this.#file.path, chunk, this.#prefixes)
    if (chunk.length === this.#file.size && this.#search(chunk, 0, this.#hasNul).length === 0) {
      // Most files hold no prefix.
      this.#decided = this.#seen
      return
    }
    this.#keepHead(chunk)
    this.#keepDynamic(chunk, start)
    this.#keepPyc(chunk, start)
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
    const found = this.#found()
    return this.#outward ? { kind: 'text', occurrences: [], ...found, outward: this.#outward } : found
  }

  #found(): Relocation | undefined {
    if (this.#occurrences.length === 0 || CONDAS_CONFIGURATION.test(this.#file.path)) return undefined
    const all = this.#kind(this.#hasNul)
    const payload = all === 'container' ? undefined : findPayload(this.#head, this.#tail, this.#seen)
    const end = payload?.start ?? this.#seen
    const isTextInFront = payload !== undefined && end <= this.#head.length && !this.#head.subarray(0, end).includes(0)
    const kind = isTextInFront ? this.#kind(false) : all
    this.#settleDoubts(kind === 'elf' || kind === 'binary')
    const occurrences = this.#occurrences.filter(({ offset }) => offset < end)
    const sealed = this.#occurrences.length - occurrences.length
    if (this.#occurrences.length === 0) return undefined
    if (kind === 'container' || occurrences.length === 0) return this.#container(payload?.start ?? 0)
    const details = this.#details({ kind, occurrences })
    if (payload === undefined) return { kind, occurrences, ...details }
    // What stands in the first line only is no matter of bytes, and a zip is found from its end.
    const mayMove = payload.isZip && details.head !== undefined && occurrences.at(-1)!.offset < details.head
    const fixed = kind === 'text' && !mayMove
    const readable = sealed > 0 && payload.isZip
    return { kind, occurrences, ...details, sealed, ...(fixed && { fixed }), ...(readable && { readable }) }
  }

  /**
   * After `finish`: number of matches in data that may be the prefix or another path, and were taken for the latter, and of
   * paths that lead out of the prefix and back into it.
   */
  get unsure(): number {
    return this.#unsure
  }

  #kind(hasNul: boolean): Relocation['kind'] {
    const { isBinary, right, wrong } = this.#data
    return kindOf(this.#head, this.#file.path, {
      hasNul,
      wide: this.#occurrences.every(({ encoding }) => unitWidth(encoding) > 1),
      recordedText: this.#file.placeholder?.mode === 'text',
      isData:
        isBinary ||
        (right > 0 && wrong === 0) ||
        hasControl(this.#head, 0, Math.min(this.#head.length, 512)) ||
        hasLengthHeader(this.#head, this.#seen),
    })
  }

  #container(start: number): Relocation {
    const readable = isReadable(this.#head.subarray(start), this.#file.path) && { readable: true as const }
    return { kind: 'container', occurrences: this.#occurrences, ...readable }
  }

  /** In a text the path before a match counts, unless conda's record says that conda put the prefix there. */
  #settleDoubts(isData: boolean): void {
    const others = new Set<Occurrence>()
    for (const { occurrence, lead, isCounted: counted, isString } of this.#doubts) {
      const isOurs = isData && (this.#hasCountedStrings || counted)
      if (isOurs || (lead === 'path' && this.#file.placeholder)) continue
      others.add(occurrence)
      if (isData && lead === 'path' && !isString) this.#unsure++
    }
    if (others.size === 0) return
    this.#occurrences = this.#occurrences.filter((occurrence) => !others.has(occurrence))
  }

  /** What some kinds need besides the places: see the fields of Relocation. */
  #details({ kind, occurrences }: Relocation): Pick<Relocation, 'head' | 'dynamic'> {
    if (kind === 'text') {
      const head = headLength(this.#head, this.#seen === this.#head.length)
      return head !== undefined && occurrences[0]!.offset < head ? { head } : {}
    }
    if (kind === 'pyc-only' && this.#pyc) findStrings(occurrences, Buffer.concat(this.#pyc))
    if ((kind !== 'elf' && kind !== 'binary') || !this.#strings) return {}
    const references = kind === 'elf' && this.#dynamic ? dynamicReferences(this.#head, this.#dynamic.bytes) : []
    const length = ({ prefix }: Occurrence): number => Buffer.byteLength(this.#prefixes[prefix]!)
    const dynamic = this.#strings.finish(new Set(occurrences), references, length, this.#file.placeholder)
    return dynamic.length > 0 ? { dynamic } : {}
  }

  /** Decides all matches of a window that begins at offset `base`, except those in its last `reserve` bytes. */
  #scan(window: Buffer, base: number, reserve: number): void {
    const until = base + window.length - reserve
    if (until <= this.#decided) return
    for (const { needle, start } of this.#search(window, this.#decided - base, this.#hasNul)) {
      const offset = base + start
      if (offset >= until) break
      const lead = offset < this.#foundUntil ? undefined : this.#leadOf(window, { needle, start }, base)
      if (lead === undefined) continue
      this.#add(window, { needle, start }, base, lead)
    }
    this.#strings?.advance(window, base, until)
    this.#lookForCountedStrings(window, base)
    this.#decided = until
  }

  #add(window: Buffer, match: Match, base: number, lead: Lead): void {
    const { needle, start } = match
    const occurrence = this.#occurrenceAt(window, match, base)
    const end = start + needle.bytes.length
    this.#occurrences.push(occurrence)
    this.#foundUntil = base + end
    if (lead !== 'nothing') {
      const isString = isPathOfString(window, start)
      this.#doubts.push({ occurrence, lead, isCounted: isCounted(window, start, end), isString })
    }
    if (unitWidth(needle.encoding) > 1) return
    this.#strings ??= new CStrings({ keepText: isElf(this.#head) })
    this.#strings.add(window, base, occurrence)
    if (this.#hasNul || this.#data.isBinary) return
    const { isBinary, count } = dataSigns(window, start, end)
    this.#data.isBinary = isBinary
    if (count !== 'none') this.#data[count]++
  }

  /** A plain spelling behind `file://` belongs to a URL, and must be spelled as one if the new prefix holds a blank. */
  #occurrenceAt(window: Buffer, match: Match, base: number): Occurrence {
    const { needle, start } = match
    const isUrl =
      needle.encoding === 'utf8' &&
      mayLead(window, start) &&
      isFileUrl(textBefore(window, match)) &&
      encodings.percent(this.#prefixes[needle.prefix]!).equals(needle.bytes)
    return { offset: base + start, prefix: needle.prefix, encoding: isUrl ? 'percent' : needle.encoding }
  }

  /** What precedes a match, or undefined if it is certainly another path. */
  #leadOf(window: Buffer, match: Match, base: number): Lead | undefined {
    const { needle, start } = match
    const width = unitWidth(needle.encoding)
    if (width > 1 && isOtherOrder(window, match, base)) return undefined
    const leaves = leavesPrefix(window, match, { prefix: this.#prefixes[needle.prefix]!, name: this.#name })
    if (leaves === 'comes back') this.#unsure++
    if (leaves !== 'no') return undefined
    const lead = leadBefore(window, match)
    const ends = endsName(window, match)
    if ((lead === 'nothing' && ends) || width > 1 || !this.#isPyc) return ends ? lead : undefined
    // The bytes around a counted string are no text, even if they look like letters.
    const end = start + needle.bytes.length
    const string = stringAround(window, start, end)
    if (!string || (!ends && string.end !== end)) return undefined
    return leadBefore(window, match, string.start) === 'nothing' ? 'nothing' : undefined
  }

  /** Only a program with a doubtful match is asked whether its strings are counted; the answer stands behind them. */
  #lookForCountedStrings(window: Buffer, base: number): void {
    const first = this.#doubts[0]
    if (first === undefined || this.#hasCountedStrings || !isElf(this.#head)) return
    const from = Math.max(0, first.occurrence.offset - base)
    this.#hasCountedStrings = isGo(this.#head) || COUNTED_STRINGS.some((mark) => window.includes(mark, from))
  }

  #keepHead(chunk: Buffer): void {
    const missing = this.#headLength - this.#head.length
    if (missing <= 0) return
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, missing)])
    this.#isPyc = isPyc(this.#head, this.#file.path)
    if (this.#headLength === HEAD_LENGTH && isScript(this.#head)) {
      this.#headLength = SCRIPT_LENGTH
      this.#keepHead(chunk.subarray(missing))
      return
    }
    if (this.#dynamic || !isElf(this.#head)) return
    const section = findDynamicSection(this.#head)
    if (section) this.#dynamic = { ...section, bytes: Buffer.alloc(section.size) }
  }

  #keepDynamic(chunk: Buffer, start: number): void {
    if (!this.#dynamic) return
    copyOverlap(this.#dynamic, this.#head, 0)
    copyOverlap(this.#dynamic, chunk, start)
  }

  #keepPyc(chunk: Buffer, start: number): void {
    const { path, size } = this.#file
    const mayBeWanted = this.#head.length < 8 || (this.#isPyc && isNeverRemade(this.#head, path))
    if (size > MAX_PYC || !path.includes('.py') || !mayBeWanted) this.#pyc = undefined
    else if (start === 0) this.#pyc = [Buffer.from(chunk)]
    else this.#pyc?.push(Buffer.from(chunk))
  }
}
