import type { ArchivedEntry, ArchivedFile, Frame } from '../../model/archive-index.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'
import { DIGEST_LENGTH, DIGEST_SIZE } from '../../model/digest.ts'
import { isPossibleTime, joinTime } from '../../model/times.ts'
import { type Format, hasStoredChecksum, isPlain, needsChecksum, worstCase } from '../codec.ts'
import { FRAME_LIMIT } from '../format.ts'
import { Malformed } from '../read/malformed.ts'
import { wrongLength, wrongName, wrongTarget } from '../read/member.ts'
import { relocationCheck } from './check-relocation.ts'
import type { Columns } from './encode.ts'
import { readRelocation } from './relocations.ts'

/** The reader makes a StageError of it that names the archive. */
function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Malformed(what)
}

const entryIs = (path: BytePath, what: string): Malformed => new Malformed(`its entry ${displayPath(path)} ${what}`)

/** The frames. They have to fill the archive from `start` to `end`; in a zip, its headers fill the gaps between them. */
export function decodeFrames(format: Format, columns: Columns, start: number, end: number): Frame[] {
  const { frameSizes, compressedSizes, frameOffsets, frameChecksums, storedChecksums } = columns
  check(frameSizes.length === compressedSizes.length, 'the frames have no sizes')
  check(frameOffsets === undefined ? format !== 'zip' : format === 'zip', 'the frames have no offsets')
  check((frameChecksums === undefined) === !needsChecksum(format), 'the frames have no checksums')
  check(
    storedChecksums === undefined || hasStoredChecksum(format),
    'the frames have checksums that this format does not have',
  )
  for (const column of [frameOffsets, frameChecksums, storedChecksums])
    check(column === undefined || column.length === frameSizes.length, 'a column is short')
  let offset = start
  const frames = frameSizes.map((size, at) => {
    const compressedSize = compressedSizes[at]!
    const isPossible = size > 0 && size <= FRAME_LIMIT && compressedSize > 0 && compressedSize <= worstCase(size)
    check(isPossible, `frame ${at} has an impossible size`)
    if (frameOffsets !== undefined) {
      check(frameOffsets[at]! >= offset, `frame ${at} overlaps the one before`)
      offset = frameOffsets[at]!
    }
    const [checksum, storedChecksum] = [frameChecksums?.[at], storedChecksums?.[at]]
    const checksums = {
      ...(checksum !== undefined && { checksum }),
      ...(storedChecksum !== undefined && { storedChecksum }),
    }
    const frame = { offset, compressedSize, size, ...checksums }
    offset += compressedSize
    return frame
  })
  check(frameOffsets === undefined ? offset === end : offset <= end, 'the frames do not fill it')
  if (isPlain(format))
    check(
      frames.every((frame) => frame.size === frame.compressedSize),
      'a frame has two sizes',
    )
  return frames
}

/**
 * The entries, checked: none can be written outside of the folder that they are extracted into. Each has a name of one part, in
 * a directory that is an earlier entry, and no two have the same path. All files together have no more bytes than the frames.
 * @param prefixes by which relocations number them
 */
export function decodeEntries(
  columns: Columns,
  digests: Buffer,
  { frames, prefixes, format = 'tar.zst' }: Facts,
): ArchivedEntry[] {
  const count = columns.types.length
  const paths = decodePaths(columns)
  for (const column of [columns.modes, columns.seconds, columns.nanos])
    check(column.length === count, 'a column is short')
  const file = fileDecoder(columns, digests, { frames, prefixes, format })
  let [files, targets, links] = [0, 0, 0]
  const entries = paths.map((path, at): ArchivedEntry => {
    const [mode, seconds, nanos] = [columns.modes[at]!, columns.seconds[at]!, columns.nanos[at]!]
    if (mode < 0 || mode > 0o7777) throw entryIs(path, `has the mode ${mode}`)
    const mtimeNs = joinTime(seconds, nanos)
    if (!isPossibleTime(mtimeNs) || nanos < 0 || nanos >= 1e9) throw entryIs(path, 'has an impossible time')
    const common = { path, mode, mtimeNs }
    switch (columns.types[at]) {
      case 'd':
        return { type: 'directory', ...common }
      case 'f':
        return file(common, files++)
      case 'l': {
        const target = columns.targets[targets++] ?? ''
        const wrong = isBytes(target) ? wrongTarget(target) : "is a symbolic link whose target can't be a path"
        if (wrong !== undefined) throw entryIs(path, wrong)
        return { type: 'symlink', ...common, target }
      }
      case 'h': {
        const target = columns.links[links++] ?? -1
        if (columns.types[target] !== 'f') throw entryIs(path, 'is a hard link to something that is not a file')
        return { type: 'hardlink', ...common, target: paths[target]! }
      }
      default:
        throw entryIs(path, `is of the unknown type ${JSON.stringify(columns.types[at])}`)
    }
  })
  check(files === columns.sizes.length && targets === columns.targets.length, 'a column is too long')
  check(links === columns.links.length, 'a column is too long')
  return entries
}

function decodePaths({ types, names, parents }: Columns): BytePath[] {
  check(types[0] === 'd', 'it does not begin with the prefix')
  check(isBytes(names), 'a name is not made of bytes')
  const parts = types.length === 1 ? [] : names.split('/')
  check(parts.length === types.length - 1 && parents.length === parts.length, 'a column is short')
  const paths: BytePath[] = ['']
  for (const [at, name] of parts.entries()) {
    const parent = parents[at]!
    if (!(parent >= 0 && parent <= at)) throw entryIs(name, 'is in no folder')
    const path = parent === 0 ? name : `${paths[parent]!}/${name}`
    if (types[parent] !== 'd') throw entryIs(path, 'is below something that is not a folder')
    const wrong = wrongName(name) ?? wrongLength(path)
    if (wrong !== undefined) throw entryIs(path, wrong)
    if (path <= paths[at]!) throw entryIs(path, path === paths[at] ? 'is there twice' : 'is not in order')
    paths.push(path)
  }
  return paths
}

interface Facts {
  frames: readonly Frame[]
  prefixes: readonly string[]
  /** Files have places in the frames, unless it is an image. */
  format?: Format
}

function fileDecoder(columns: Columns, digests: Buffer, { frames, prefixes, format }: Facts) {
  const { sizes, packages, packageOf } = columns
  const count = sizes.length
  for (const column of [columns.frames, columns.offsets, packageOf]) check(column.length === count, 'a column is short')
  check(digests.length === count * DIGEST_SIZE, 'digests are missing')
  const hex = digests.toString('hex')
  const starts = frameStarts(frames)
  const placeholders = new Map(columns.placeholders.map(([nth, text, mode]) => [nth, { text, mode }]))
  const relocations = new Map(columns.relocations)
  for (const nth of [...placeholders.keys(), ...relocations.keys()])
    check(nth in sizes, 'it describes a file that does not exist')
  check(relocations.size === columns.relocations.length, 'it has two relocations of a file')
  const wrongRelocation = relocationCheck(prefixes)
  const isImage = format === 'sqfs'
  let left = isImage ? Number.POSITIVE_INFINITY : starts.at(-1)!

  return (common: Pick<ArchivedFile, 'path' | 'mode' | 'mtimeNs'>, nth: number): ArchivedFile => {
    const [size, frame, frameOffset] = [sizes[nth], columns.frames[nth]!, columns.offsets[nth]!]
    const isInFrame = frame in frames && frameOffset >= 0 && frameOffset <= frames[frame]!.size
    if (size === undefined || !isInFrame) throw entryIs(common.path, 'has its bytes outside of the frames')
    // Else a small archive could fill a disk, with files that have the same bytes.
    left -= size
    if (size < 0 || left < 0) throw entryIs(common.path, 'has more bytes than the frames have left for it')
    if (isImage && (frame !== 0 || frameOffset !== 0)) throw entryIs(common.path, 'has a place in an image')
    if (!isImage && starts[frame]! + frameOffset + size > starts.at(-1)!)
      throw entryIs(common.path, 'has bytes after the last frame')
    const number = packageOf[nth]!
    if (number !== -1 && !(number in packages)) throw entryIs(common.path, 'belongs to no package')
    const placeholder = placeholders.get(nth)
    const stored = relocations.get(nth)
    const relocation = stored && readRelocation(stored)
    const wrong = relocation && wrongRelocation(relocation, size)
    if (wrong !== undefined) throw entryIs(common.path, wrong)
    return {
      type: 'file',
      ...common,
      size,
      frame,
      frameOffset,
      digest: hex.slice(nth * DIGEST_LENGTH, (nth + 1) * DIGEST_LENGTH),
      ...(number !== -1 && { package: packages[number]! }),
      ...(placeholder && { placeholder }),
      ...(relocation && { relocation }),
    }
  }
}

/** Where each frame begins in the bytes of all frames, and at last where they end. */
export function frameStarts(frames: readonly Frame[]): number[] {
  const starts = [0]
  for (const frame of frames) starts.push(starts.at(-1)! + frame.size)
  return starts
}

/** Whether it is made of bytes. A NUL is none of a name's. */
function isBytes(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0 || code > 0xff) return false
  }
  return true
}
