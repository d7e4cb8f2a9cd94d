import type { FileFacts } from '../inventory/open-file.ts'
import { DIGEST_LENGTH } from '../model/digest.ts'
import type { Facts } from '../model/item.ts'
import type { ListedName } from '../model/listed.ts'
import type { Relocation } from '../model/relocation.ts'

/** The files of an order, as far as they were packed. */
export interface PackedFiles {
  files: PackedFile[]
  /**
   * Why some are left.
   * - full: the next one did not fit into the frame
   * - file: the next one is too large for any frame, or was changed so recently that reading must wait
   * - slow: the file system does not answer at once
   */
  stopped?: 'full' | 'file' | 'slow'
  /** Uncompressed bytes of the frame. It is empty if no file has content. */
  size: number
  stored: Uint8Array<ArrayBuffer>
  /** CRC-32 of `stored`. */
  storedChecksum: number
}

/** A further name of another file has no `content`. Without `facts`, the file has vanished, and is one that may. */
export interface PackedFile {
  facts?: FileFacts
  content?: Facts & { frameOffset: number }
}

// Names go to the threads and facts come back in few objects: cloning one object for each file takes ten times as long.

export interface EncodedNames {
  /** Separated by NULs. */
  paths: string
  placeholders: [number, NonNullable<ListedName['placeholder']>][]
}

export function encodeNames(names: readonly ListedName[]): EncodedNames {
  const placeholders: EncodedNames['placeholders'] = []
  for (const [at, { placeholder }] of names.entries()) if (placeholder) placeholders.push([at, placeholder])
  return { paths: names.map(({ path }) => path).join('\0'), placeholders }
}

/** Only what packing needs: the package serves the archive's order and index, in the main thread. */
export function decodeNames({ paths, placeholders }: EncodedNames): ListedName[] {
  const names = paths.split('\0').map((path): ListedName => ({ type: 'file', path }))
  for (const [at, placeholder] of placeholders) names[at]!.placeholder = placeholder
  return names
}

export interface EncodedFiles {
  /** FIELDS numbers for each file: what it is (GONE, LINK, CONTENT), size, mode, offset in the frame. */
  numbers: Float64Array<ArrayBuffer>
  times: BigInt64Array<ArrayBuffer>
  /** Separated by blanks; empty for a file with one name. */
  inodes: string
  /** Of the files with content, one behind another. All have the same length. */
  digests: string
  relocations: [number, Relocation][]
}

const FIELDS = 4
const GONE = 0
const LINK = 1
const CONTENT = 2

/** Facts of files whose copies are packed, as they go to a thread. FACTS numbers for each: size, mode, mode in the stage. */
export interface EncodedFacts {
  numbers: Float64Array<ArrayBuffer>
  times: BigInt64Array<ArrayBuffer>
}

const FACTS = 3

/** @param modeOf the mode that a file has in the stage */
export function encodeFacts(facts: readonly FileFacts[], modeOf: (mode: number) => number): EncodedFacts {
  const numbers = new Float64Array(facts.length * FACTS)
  for (const [at, { size, mode }] of facts.entries()) numbers.set([size, mode, modeOf(mode)], at * FACTS)
  return { numbers, times: BigInt64Array.from(facts, ({ mtimeNs }) => mtimeNs) }
}

/** A file's facts in the original, and its mode in the stage. */
export function factsAt({ numbers, times }: EncodedFacts, at: number): { facts: FileFacts; stagedMode: number } {
  const [size, mode, stagedMode] = numbers.subarray(at * FACTS, (at + 1) * FACTS) as unknown as [number, number, number]
  return { facts: { size, mode, mtimeNs: times[at]! }, stagedMode }
}

export function encodeFiles(files: readonly PackedFile[]): EncodedFiles {
  const numbers = new Float64Array(files.length * FIELDS)
  const times = new BigInt64Array(files.length)
  const relocations: EncodedFiles['relocations'] = []
  const inodes: string[] = []
  let digests = ''
  for (const [at, { facts, content }] of files.entries()) {
    inodes.push(facts?.inode ?? '')
    if (facts === undefined) continue
    times[at] = facts.mtimeNs
    numbers.set([content ? CONTENT : LINK, facts.size, facts.mode, content?.frameOffset ?? 0], at * FIELDS)
    digests += content?.digest ?? ''
    if (content?.relocation) relocations.push([at, content.relocation])
  }
  return { numbers, times, inodes: inodes.join(' '), digests, relocations }
}

export function decodeFiles({ numbers, times, inodes, digests, relocations }: EncodedFiles): PackedFile[] {
  const known = inodes.split(' ')
  const found = new Map(relocations)
  let digest = 0
  return Array.from(times, (mtimeNs, at): PackedFile => {
    const [state, size, mode, frameOffset] = numbers.subarray(at * FIELDS, (at + 1) * FIELDS) as unknown as Row
    if (state === GONE) return {}
    const inode = known[at]!
    const facts = { size, mode, mtimeNs, ...(inode !== '' && { inode }) }
    if (state === LINK) return { facts }
    const relocation = found.get(at)
    const content: Facts = { digest: digests.slice(digest, digest + DIGEST_LENGTH), ...(relocation && { relocation }) }
    digest += DIGEST_LENGTH
    return { facts, content: { frameOffset, ...content } }
  })
}

type Row = [number, number, number, number]
