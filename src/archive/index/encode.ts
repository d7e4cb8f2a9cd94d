import * as v from 'valibot'
import type { ArchivedFile, ArchiveIndex, Frame } from '../../model/archive-index.ts'
import { type BytePath, parentOf } from '../../model/byte-path.ts'
import { DIGEST_SIZE } from '../../model/digest.ts'
import { splitTime } from '../../model/times.ts'
import { type Format, hasStoredChecksum, needsChecksum } from '../codec.ts'
import { type StoredRelocation, storedRelocation } from './relocations.ts'

/**
 * The entries as columns. An array for each property parses several times faster than an object for each entry.
 * `names` and `parents` leave out the prefix itself. Columns that say so have values for entries of one type only.
 */
const integers = v.custom<number[]>((value) => Array.isArray(value) && value.every(Number.isSafeInteger))
const strings = v.array(v.string())

/** Checked by hand, because there may be a hundred thousand, and valibot would copy each. */
function isRelocation(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2 || !Number.isSafeInteger(value[0])) return false
  const { kind, occurrences, escaped = [] } = (value[1] ?? {}) as Partial<StoredRelocation>
  return typeof kind === 'string' && Array.isArray(occurrences) && Array.isArray(escaped)
}

export const Columns = v.object({
  /** One letter each: d, f, l (symlink), h (hard link). */
  types: v.string(),
  /** Last parts of the paths, joined by '/', which no name contains. */
  names: v.string(),
  /** Index of the folder that holds the entry. */
  parents: integers,
  modes: integers,
  seconds: integers,
  nanos: integers,
  /** Symlinks only. */
  targets: strings,
  /** Hard links only: index of the file's entry. */
  links: integers,
  /** Files only, and so are the next three. */
  sizes: integers,
  frames: integers,
  offsets: integers,
  /** Index into `packages`, or -1. */
  packageOf: integers,
  packages: strings,
  /** Number of the file, then its placeholder by conda's record. */
  placeholders: v.array(v.strictTuple([v.number(), v.string(), v.picklist(['text', 'binary'])])),
  /** Number of the file, then its Relocation. */
  relocations: v.custom<[number, StoredRelocation][]>((value) => Array.isArray(value) && value.every(isRelocation)),
  /** Uncompressed and compressed sizes of the frames, in their order. */
  frameSizes: integers,
  compressedSizes: integers,
  /** Where each frame begins. Only in a zip, which has headers between the frames. */
  frameOffsets: v.optional(integers),
  /** Only in formats whose frames carry no checksum (tar, zip). */
  frameChecksums: v.optional(integers),
  /** Only in formats whose frames are compressed and may be copied (tar.zst, tar.gz). */
  storedChecksums: v.optional(integers),
})
export type Columns = v.InferOutput<typeof Columns>

const LETTERS = { directory: 'd', file: 'f', symlink: 'l', hardlink: 'h' } as const

export function encodeEntries({ format, entries, frames }: ArchiveIndex): Buffer {
  const positions = new Map<BytePath, number>()
  for (const [position, entry] of entries.entries()) positions.set(entry.path, position)
  const position = (path: BytePath): number => {
    const found = positions.get(path)
    if (found === undefined) throw new TypeError(`an entry refers to ${path}, which is not among the entries`)
    return found
  }
  const columns = emptyColumns(format, frames)
  const names: BytePath[] = []
  const packages = new Map<string, number>()
  for (const [at, entry] of entries.entries()) {
    const [seconds, nanos] = splitTime(entry.mtimeNs)
    columns.types += LETTERS[entry.type]
    columns.modes.push(entry.mode)
    columns.seconds.push(seconds)
    columns.nanos.push(nanos)
    if (at > 0) {
      names.push(entry.path.slice(entry.path.lastIndexOf('/') + 1))
      columns.parents.push(position(parentOf(entry.path)))
    }
    if (entry.type === 'symlink') columns.targets.push(entry.target)
    else if (entry.type === 'hardlink') columns.links.push(position(entry.target))
    else if (entry.type === 'file') addFile(columns, packages, entry)
  }
  columns.names = names.join('/')
  columns.packages.push(...packages.keys())
  return Buffer.from(JSON.stringify(columns))
}

function emptyColumns(format: Format, frames: readonly Frame[]): Columns {
  return {
    types: '',
    names: '',
    parents: [],
    modes: [],
    seconds: [],
    nanos: [],
    targets: [],
    links: [],
    sizes: [],
    frames: [],
    offsets: [],
    packageOf: [],
    packages: [],
    placeholders: [],
    relocations: [],
    frameSizes: frames.map(({ size }) => size),
    compressedSizes: frames.map(({ compressedSize }) => compressedSize),
    ...(format === 'zip' && { frameOffsets: frames.map(({ offset }) => offset) }),
    ...(needsChecksum(format) && { frameChecksums: frames.map(({ checksum }) => checksum!) }),
    ...(hasStoredChecksum(format) && { storedChecksums: frames.map(({ storedChecksum }) => storedChecksum!) }),
  }
}

function addFile(columns: Columns, packages: Map<string, number>, file: ArchivedFile): void {
  const nth = columns.sizes.length
  columns.sizes.push(file.size)
  columns.frames.push(file.frame)
  columns.offsets.push(file.frameOffset)
  columns.packageOf.push(packageNumber(packages, file.package))
  if (file.placeholder) columns.placeholders.push([nth, file.placeholder.text, file.placeholder.mode])
  if (file.relocation) columns.relocations.push([nth, storedRelocation(file.relocation)])
}

function packageNumber(packages: Map<string, number>, name: string | undefined): number {
  if (name === undefined) return -1
  const known = packages.get(name)
  if (known !== undefined) return known
  packages.set(name, packages.size)
  return packages.size - 1
}

/** The digests of the files, one after another in the order of the entries. */
export function encodeDigests({ entries }: ArchiveIndex): Buffer {
  const files = entries.filter((entry) => entry.type === 'file')
  const bytes = Buffer.alloc(files.length * DIGEST_SIZE)
  for (const [nth, { digest }] of files.entries()) {
    if (bytes.write(digest, nth * DIGEST_SIZE, 'hex') !== DIGEST_SIZE) throw new TypeError(`not a digest: ${digest}`)
  }
  return bytes
}
