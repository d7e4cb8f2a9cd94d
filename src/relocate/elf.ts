import type { BytePath } from '../model/byte-path.ts'
import type { DynamicString } from '../model/relocation.ts'

/** Place of the dynamic section in the file, in bytes. */
export interface DynamicSection {
  offset: number
  size: number
}

/** A string that the dynamic section refers to. */
export interface DynamicReference {
  /** Byte offset in the file. */
  offset: number
  /** A ':'-joined list of folders, one path or name, or anything else, which must not change. */
  use: 'list' | 'path' | 'other'
}

/** The section of a real file has a few dozen entries of 16 bytes. */
const MAX_SECTION_SIZE = 65536

/** Finds the dynamic section in the program headers. Returns undefined if there is none, or if `head` lacks the headers. */
export function findDynamicSection(head: Buffer): DynamicSection | undefined {
  const dynamic = programHeaders(head).find(({ type }) => type === PT_DYNAMIC)
  if (!dynamic || dynamic.size > MAX_SECTION_SIZE) return undefined
  return { offset: dynamic.offset, size: dynamic.size }
}

/** Copies into the section's bytes what a piece of the file has of them. `start` is the piece's offset in the file. */
export function copyOverlap({ bytes, offset }: { bytes: Buffer; offset: number }, piece: Buffer, start: number): void {
  const from = Math.max(offset, start)
  const to = Math.min(offset + bytes.length, start + piece.length)
  if (from < to) piece.copy(bytes, from - offset, from - start, to - start)
}

/** Offset behind the last byte that the headers name: anything from there on was appended. 0 if `head` is too short. */
export function elfEnd(head: Buffer): number {
  if (head.length < 64) return 0
  const { word, half, is64 } = reader(head)
  const sections = word(head, is64 ? 40 : 32)
  const sectionsEnd = sections + half(head, is64 ? 58 : 46) * half(head, is64 ? 60 : 48)
  const segments = programHeaders(head).map(({ offset, size }) => offset + size)
  return Math.max(sectionsEnd, ...segments)
}

/**
 * Whether Go's linker made the file: the note with its build id says so. Go's strings have counts and no NUL between
 * them, so that the bytes around one belong to others.
 */
export function isGo(head: Buffer): boolean {
  const name = head.indexOf('Go\0\0')
  return name >= 12 && head.readUInt32LE(name - 12) === 4
}

/** Bytes of programs with such strings: what Rust's compiler leaves in .comment, and Go's linker in front of its version. */
export const COUNTED_STRINGS = [Buffer.from('rustc version '), Buffer.from('\xff Go buildinf:', 'latin1')]

/** Reads the places of all strings from the bytes of the dynamic section. */
export function dynamicReferences(head: Buffer, section: Buffer): DynamicReference[] {
  const { word, wordSize } = reader(head)
  const entries: { tag: number; value: number }[] = []
  for (let at = 0; at + 2 * wordSize <= section.length; at += 2 * wordSize) {
    const tag = word(section, at)
    if (tag === 0) break
    entries.push({ tag, value: word(section, at + wordSize) })
  }
  const address = entries.find(({ tag }) => tag === DT_STRTAB)?.value
  const segment = programHeaders(head).find(
    ({ type, address: from, size }) =>
      type === PT_LOAD && address !== undefined && address >= from && address < from + size,
  )
  if (address === undefined || !segment) return []
  const table = segment.offset + address - segment.address
  return entries.flatMap(({ tag, value }) => {
    const use = uses.get(tag)
    return use ? [{ offset: table + value, use }] : []
  })
}

/**
 * Returns the same string for another prefix in exactly as many bytes, or undefined if that is impossible.
 *
 * A shorter string is filled with slashes before its last component (`/b/env////lib`), so that its end stays in
 * place: linkers let other strings, including symbols, share the end of this one. If the new prefix is too long for
 * the slot, folders below it are named relative to the file's own folder (`$ORIGIN/../lib`).
 *
 * @param options.folder the file's folder below the prefix, '' for the prefix itself
 * @param options.count number of prefixes in the string; unless each of them begins an entry, the string stays
 */
export function refit(
  string: DynamicString,
  { folder, from, to, count }: { folder: BytePath; from: readonly BytePath[]; to: BytePath; count: number },
): string | undefined {
  const entries = (string.list ? string.text.split(':') : [string.text]).map((text) => ({
    text,
    rest: restBelow(text, from),
  }))
  if (entries.filter(({ rest }) => rest !== undefined).length !== count) return undefined
  const replaced = entries.map(({ text, rest }) => (rest === undefined ? text : to + rest))
  const relative = entries.map(({ text, rest }) => (rest === undefined ? text : fromOrigin(folder, rest)))
  return fill(replaced.join(':'), string) ?? fill(relative.join(':'), string)
}

/** What follows the prefix at the beginning of an entry. */
function restBelow(entry: string, from: readonly BytePath[]): string | undefined {
  const prefix = from
    .filter((candidate) => entry === candidate || entry.startsWith(`${candidate}/`))
    .sort((a, b) => b.length - a.length)[0]
  return prefix === undefined ? undefined : entry.slice(prefix.length)
}

function fromOrigin(folder: string, rest: string): string {
  const here = folder.split('/').filter(Boolean)
  const there = rest.split('/').filter(Boolean)
  let common = 0
  while (common < here.length && here[common] === there[common]) common++
  return ['$ORIGIN', ...here.slice(common).map(() => '..'), ...there.slice(common)].join('/')
}

function fill(text: string, { text: old, offset, shared }: DynamicString): string | undefined {
  const missing = old.length - text.length
  if (missing < 0) return undefined
  const at = text.includes('/') ? text.lastIndexOf('/') : text.length
  const filled = text.slice(0, at) + '/'.repeat(missing) + text.slice(at)
  const kept = shared === undefined ? '' : old.slice(shared - offset)
  return filled.endsWith(kept) ? filled : undefined
}

interface ProgramHeader {
  type: number
  offset: number
  address: number
  size: number
}

function programHeaders(head: Buffer): ProgramHeader[] {
  if (head.length < 64) return []
  const { word, wordSize, half, int, is64 } = reader(head)
  const start = word(head, is64 ? 32 : 28)
  const size = half(head, is64 ? 54 : 42)
  const count = half(head, is64 ? 56 : 44)
  if (size < 8 * 4 || start + size * count > head.length) return []
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size
    const fields = at + wordSize // behind type, and flags in 64 bits
    return {
      type: int(head, at),
      offset: word(head, fields),
      address: word(head, fields + wordSize),
      size: word(head, fields + 3 * wordSize),
    }
  })
}

/** Reads the file's numbers by the class and byte order that its identification states. */
function reader(head: Buffer) {
  const is64 = head[4] === 2
  const big = head[5] === 2
  const int = (bytes: Buffer, at: number): number => (big ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at))
  return {
    is64,
    wordSize: is64 ? 8 : 4,
    int,
    half: (bytes: Buffer, at: number): number => (big ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at)),
    word: (bytes: Buffer, at: number): number => {
      if (!is64) return int(bytes, at)
      return Number(big ? bytes.readBigUInt64BE(at) : bytes.readBigUInt64LE(at))
    },
  }
}

const PT_LOAD = 1
const PT_DYNAMIC = 2
const DT_STRTAB = 5
const uses = new Map<number, DynamicReference['use']>([
  [1, 'path'], // DT_NEEDED
  [14, 'other'], // DT_SONAME
  [15, 'list'], // DT_RPATH
  [29, 'list'], // DT_RUNPATH
  [0x6ffffefa, 'other'], // DT_CONFIG
  [0x6ffffefb, 'other'], // DT_DEPAUDIT
  [0x6ffffefc, 'other'], // DT_AUDIT
  [0x7ffffffd, 'other'], // DT_AUXILIARY
  [0x7fffffff, 'other'], // DT_FILTER
])
