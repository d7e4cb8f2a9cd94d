import type { BytePath } from '../../model/byte-path.ts'
import { check, type Place, type StoredBlock, storedBlock, type Tables } from './tables.ts'

interface Common {
  path: BytePath
  mode: number
  /** mtime, in whole seconds since 1970. */
  seconds: number
  /** Names of the same file have the same. */
  inode: number
}

/** A content's blocks in order; undefined for a block of zeros. */
export interface ImageFile extends Common {
  type: 'file'
  size: number
  blocks: (StoredBlock | undefined)[]
  /** The end of the content, in a block that files share. */
  tail?: { fragment: number; offset: number }
}

export type ImageEntry =
  | ImageFile
  | (Common & { type: 'directory' })
  | (Common & { type: 'symlink'; target: BytePath })
  | (Common & { type: 'other' })

interface Inode {
  entry: ImageEntry
  /** Of a folder: where its names stand, and how many bytes they take. */
  names?: { place: Place; size: number }
}

/** Everything in the image, a folder before what is in it. @throws Malformed */
export function treeOf(tables: Tables): ImageEntry[] {
  const found: ImageEntry[] = []
  const walked = new Set<number>()
  const waiting = [{ path: '', place: tables.root }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    // As the kernel has it; folders in folders without end would take all memory.
    check(next.path.length < 4096, 'a path is longer than one can be')
    const { entry, names } = readInode(tables, next.place, next.path)
    found.push(entry)
    if (names === undefined) continue
    check(!walked.has(entry.inode), 'a folder is in two places')
    walked.add(entry.inode)
    for (const { name, place } of namesIn(tables, names))
      waiting.push({ path: next.path === '' ? name : `${next.path}/${name}`, place })
  }
  return found
}

/** The kernel adds `.` and `..`, which take three bytes. */
const OWN_NAMES = 3
const NO_FRAGMENT = 0xffff_ffff

function readInode(tables: Tables, at: Place, path: BytePath): Inode {
  const place = { ...at }
  const head = tables.take(place, 16)
  const type = head.readUInt16LE(0)
  const common = {
    path,
    mode: head.readUInt16LE(2) & 0o7777,
    seconds: head.readUInt32LE(8),
    inode: head.readUInt32LE(12),
  }
  switch (type) {
    case 1: {
      const rest = tables.take(place, 16)
      return folder(tables, common, rest.readUInt32LE(0), rest.readUInt16LE(10), rest.readUInt16LE(8))
    }
    case 8: {
      const rest = tables.take(place, 24)
      return folder(tables, common, rest.readUInt32LE(8), rest.readUInt16LE(18), rest.readUInt32LE(4))
    }
    case 2: {
      const rest = tables.take(place, 16)
      const [start, fragment, offset, size] = [0, 4, 8, 12].map((from) => rest.readUInt32LE(from)) as Four
      return { entry: { ...common, ...file(tables, place, { start, fragment, offset, size }) } }
    }
    case 9: {
      const rest = tables.take(place, 40)
      const [start, size] = [Number(rest.readBigUInt64LE(0)), Number(rest.readBigUInt64LE(8))]
      const [fragment, offset] = [rest.readUInt32LE(28), rest.readUInt32LE(32)]
      return { entry: { ...common, ...file(tables, place, { start, fragment, offset, size }) } }
    }
    case 3:
    case 10: {
      const size = tables.take(place, 8).readUInt32LE(4)
      check(size <= 65_535, 'a link has an impossible length')
      return { entry: { ...common, type: 'symlink', target: tables.take(place, size).toString('latin1') } }
    }
    default:
      return { entry: { ...common, type: 'other' } }
  }
}

type Four = [number, number, number, number]

function folder(tables: Tables, common: Common, block: number, offset: number, size: number): Inode {
  const names = { place: tables.folder(block, offset), size: Math.max(0, size - OWN_NAMES) }
  return { entry: { ...common, type: 'directory' }, names }
}

function file(
  tables: Tables,
  place: Place,
  { start, fragment, offset, size }: { start: number; fragment: number; offset: number; size: number },
): Pick<ImageFile, 'type' | 'size' | 'blocks' | 'tail'> {
  check(Number.isSafeInteger(size), 'a file has an impossible size')
  const hasTail = fragment !== NO_FRAGMENT
  const count = hasTail ? Math.floor(size / tables.blockSize) : Math.ceil(size / tables.blockSize)
  const sizes = tables.take(place, 4 * count)
  const blocks: ImageFile['blocks'] = []
  for (let at = 0, from = start; at < count; at++) {
    const block = storedBlock(from, sizes.readUInt32LE(4 * at))
    blocks.push(block.size === 0 ? undefined : block)
    from += block.size
  }
  return { type: 'file', size, blocks, ...(hasTail && { tail: { fragment, offset } }) }
}

/** The names in a folder stand in groups, each of which tells where its inodes are. */
function* namesIn(
  tables: Tables,
  { place, size }: { place: Place; size: number },
): Generator<{ name: BytePath; place: Place }> {
  for (let left = size; left > 0; ) {
    const head = tables.take(place, 12)
    left -= 12
    const block = head.readUInt32LE(4)
    for (let more = head.readUInt32LE(0) + 1; more > 0; more--) {
      const entry = tables.take(place, 8)
      const name = tables.take(place, entry.readUInt16LE(6) + 1).toString('latin1')
      check(!/^\.{0,2}$|[/\0]/.test(name), 'a name is not valid')
      left -= 8 + name.length
      check(left >= 0, 'a folder has more names than it says')
      yield { name, place: tables.inode(block, entry.readUInt16LE(0)) }
    }
  }
}
