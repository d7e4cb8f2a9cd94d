import type { FileFacts } from '../inventory/open-file.ts'
import { DIGEST_LENGTH } from '../model/digest.ts'
import type { Facts } from '../model/item.ts'
import type { ListedName } from '../model/listed.ts'
import type { Relocation } from '../model/relocation.ts'

/** The files of an order, as far as they were dealt with. */
export interface PackedFiles {
  files: PackedFile[]
  /**
   * Why there are not all of them.
   * - full: they did not fit into one frame
   * - file: the next one is too large for a frame, or has to be waited for
   * - slow: the file system does not answer at once
   */
  stopped?: 'full' | 'file' | 'slow'
  /** Uncompressed bytes of the frame; it is empty where no file has content. */
  size: number
  stored: Uint8Array<ArrayBuffer>
  /** CRC-32 of `stored`. */
  storedChecksum: number
}

/** `content` is missing in further names; without `facts` the file has vanished and may do so. */
export interface PackedFile {
  facts?: FileFacts
  content?: Facts & { frameOffset: number }
}

// What goes to the threads and back for each file, in few objects: cloning one for each file takes ten times as long.

export interface EncodedNames {
  /** With a NUL between them. */
  paths: string
  placeholders: [number, NonNullable<ListedName['placeholder']>][]
}

export function encodeNames(names: readonly ListedName[]): EncodedNames {
  const placeholders: EncodedNames['placeholders'] = []
  for (const [at, { placeholder }] of names.entries()) if (placeholder) placeholders.push([at, placeholder])
  return { paths: names.map(({ path }) => path).join('\0'), placeholders }
}

/** Without what only the archive's order and its index go by. */
export function decodeNames({ paths, placeholders }: EncodedNames): ListedName[] {
  const names = paths.split('\0').map((path): ListedName => ({ type: 'file', path }))
  for (const [at, placeholder] of placeholders) names[at]!.placeholder = placeholder
  return names
}

export interface EncodedFiles {
  /** FIELDS numbers a file: what is known of it (GONE, LINK, CONTENT), size, mode, offset in the frame. */
  numbers: Float64Array<ArrayBuffer>
  times: BigInt64Array<ArrayBuffer>
  /** With a blank between them, empty where there is none. */
  inodes: string
  /** Of those with content, one behind another, all of one length. */
  digests: string
  relocations: [number, Relocation][]
}

const FIELDS = 4
const GONE = 0
const LINK = 1
const CONTENT = 2

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
