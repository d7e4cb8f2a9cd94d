import type { FileEntry } from '../model/entry.ts'
import type { DynamicString, Occurrence } from '../model/relocation.ts'
import type { DynamicReference } from './elf.ts'

/** Bytes before a prefix that may hold the beginning of its C string. */
export const STRING_REACH = 2000

/** No placeholder leaves more NULs, and no dynamic string has more text: beyond that nothing is counted or kept. */
const MAX_NULS = 65536
const MAX_TEXT = 16384

interface CString {
  members: Occurrence[]
  /** Offset of its first byte; absent if that is too far away. */
  start?: number
  /** latin1, from `start` on; kept only of ELF files. */
  text?: string
  end?: number
  /** Number of NULs behind the one that ends it. */
  nuls: number
}

/**
 * Follows the C strings that hold the prefix to their ends while the file passes by.
 *
 * Data comes in windows: `data` begins at offset `base` of the file.
 */
export class CStrings {
  readonly #keepText: boolean
  readonly #closed: CString[] = []
  #open: CString | undefined
  #position = 0

  constructor(options: { keepText: boolean }) {
    this.#keepText = options.keepText
  }

  /** Adds an occurrence to the open string or to a new one. */
  add(data: Buffer, base: number, occurrence: Occurrence): void {
    this.advance(data, base, occurrence.offset)
    if (!this.#open || this.#open.end !== undefined) {
      this.#close()
      this.#open = { members: [], nuls: 0, ...this.#beginning(data, base, occurrence.offset) }
      this.#position = occurrence.offset
    }
    this.#open.members.push(occurrence)
  }

  /** Proceeds to offset `until` of the file, which must not lie beyond `data`. */
  advance(data: Buffer, base: number, until: number): void {
    const string = this.#open
    if (!string || until <= this.#position) return
    if (string.end === undefined) {
      const nul = data.subarray(0, until - base).indexOf(0, this.#position - base)
      const to = nul === -1 ? until : base + nul
      if (string.text !== undefined) string.text += data.toString('latin1', this.#position - base, to - base)
      if (string.text !== undefined && string.text.length > MAX_TEXT) delete string.text
      this.#position = to
      if (nul === -1) return
      string.end = to
      this.#position++
    }
    while (this.#position < until && data[this.#position - base] === 0 && string.nuls < MAX_NULS) {
      string.nuls++
      this.#position++
    }
    if (this.#position < until) this.#close()
  }

  /**
   * Writes `end` and `room` into the occurrences. Returns the dynamic strings among the C strings.
   * @param ours the occurrences that count; others may have been added in doubt
   */
  finish(
    ours: ReadonlySet<Occurrence>,
    references: readonly DynamicReference[],
    prefixLength: (occurrence: Occurrence) => number,
    placeholder: FileEntry['placeholder'],
  ): DynamicString[] {
    this.#close()
    const strings = this.#closed
      .map((string) => ({ ...string, members: string.members.filter((member) => ours.has(member)) }))
      .filter(({ members }) => members.length > 0)
    for (const { members, end, nuls } of strings) {
      const room = roomOf(members, prefixLength, placeholder)
      for (const member of members) {
        if (end !== undefined) member.end = end
        if (end !== undefined && room !== undefined && room <= nuls) member.room = room
      }
    }
    return strings.flatMap((string) => dynamicStrings(string, references))
  }

  #beginning(data: Buffer, base: number, offset: number): Pick<CString, 'start' | 'text'> {
    const from = Math.max(0, offset - base - STRING_REACH)
    const nul = data.subarray(from, offset - base).lastIndexOf(0)
    if (!this.#keepText || (nul === -1 && base + from > 0)) return {}
    const start = from + nul + 1
    return { start: base + start, text: data.toString('latin1', start, offset - base) }
  }

  #close(): void {
    if (this.#open) this.#closed.push(this.#open)
    this.#open = undefined
  }
}

/** Bytes that conda's padding leaves behind these prefixes; undefined if conda did not put them there. */
function roomOf(
  members: readonly Occurrence[],
  prefixLength: (occurrence: Occurrence) => number,
  placeholder: FileEntry['placeholder'],
): number | undefined {
  // Conda writes plain UTF-8; a `file://` before it makes no difference to conda.
  const isConda = members.every(({ encoding }) => encoding === 'utf8' || encoding === 'percent')
  if (placeholder?.mode !== 'binary' || !isConda) return undefined
  const length = Buffer.byteLength(placeholder.text)
  return Math.max(
    0,
    members.reduce((sum, member) => sum + length - prefixLength(member), 0),
  )
}

function dynamicStrings(string: CString, references: readonly DynamicReference[]): DynamicString[] {
  const { members, start, text, end } = string
  if (start === undefined || text === undefined || end === undefined) return []
  const inside = references.filter(({ offset }) => offset >= start && offset < end)
  const first = inside.find(({ offset, use }) => use !== 'other' && offset <= members[0]!.offset)
  if (!first) return []
  const list = first.use === 'list'
  const others = inside.filter(({ offset, use }) => offset !== first.offset || use !== first.use)
  const shared = others.length > 0 ? { shared: Math.max(first.offset, Math.min(...others.map((o) => o.offset))) } : {}
  return [{ offset: first.offset, text: text.slice(first.offset - start), list, ...shared }]
}
