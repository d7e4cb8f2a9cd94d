import type { BytePath } from '../model/byte-path.ts'
import type { DynamicString } from '../model/relocation.ts'

/** Where the dynamic section stands in the file, in bytes. */
export interface DynamicSection {
  offset: number
  size: number
}

/** A string that the dynamic section refers to. */
export interface DynamicReference {
  /** Byte offset in the file. */
  offset: number
  /** A ':'-joined list of folders, one path or name, or anything else that must stay as it is. */
  use: 'list' | 'path' | 'other'
}

/** Sections of real files have a few dozen entries of 16 bytes. */
const MAX_SECTION_SIZE = 65536

/** Finds the dynamic section in the program headers; undefined where there is none or they don't stand in `head`. */
export function findDynamicSection(head: Buffer): DynamicSection | undefined {
  const dynamic = programHeaders(head).find(({ type }) => type === PT_DYNAMIC)
  if (!dynamic || dynamic.size > MAX_SECTION_SIZE) return undefined
  return { offset: dynamic.offset, size: dynamic.size }
}

/** Reads the places of all strings out of the dynamic section's bytes. */
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
 * The same string for another prefix in exactly as many bytes, or undefined if there is no such string.
 *
 * What is shorter is filled up with slashes before its last component (`/b/env////lib`), and the end stays where it
 * is: linkers let other strings, of symbols too, share the end of this one. Where the new prefix is too long for the
 * slot, folders below it are named from the file's own folder (`$ORIGIN/../lib`).
 *
 * @param options.folder of the file below the prefix, '' for the prefix itself
 * @param options.count how many prefixes stand in the string: if not each begins an entry, the string is not touched
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

/** What an entry has behind the prefix that it begins with. */
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

/** How this file's numbers are read: class and byte order stand in its identification. */
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
