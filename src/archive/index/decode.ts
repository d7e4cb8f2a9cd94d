import type { ArchivedEntry, ArchivedFile, Frame } from '../../model/archive-index.ts'
import type { BytePath } from '../../model/byte-path.ts'
import { DIGEST_LENGTH, DIGEST_SIZE } from '../../model/digest.ts'
import { joinTime } from '../../model/times.ts'
import { type Format, hasStoredChecksum, needsChecksum } from '../codec.ts'
import { FRAME_LIMIT } from '../format.ts'
import type { Columns } from './encode.ts'
import { readRelocation } from './relocations.ts'

/** What decoding found wrong. The reader makes a StageError of it that names the archive. @internal Exported for its tests. */
export class Inconsistent extends Error {}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Inconsistent(what)
}

/** The frames. They have to fill the archive from `start` to `end`; in a zip, its headers fill the gaps between them. */
export function decodeFrames(format: Format, columns: Columns, start: number, end: number): Frame[] {
  const { frameSizes, compressedSizes, frameOffsets, frameChecksums, storedChecksums } = columns
  check(frameSizes.length === compressedSizes.length, 'the frames have no sizes')
  check(frameOffsets === undefined ? format !== 'zip' : format === 'zip', 'the frames are nowhere')
  check((frameChecksums === undefined) === !needsChecksum(format), 'the frames have no checksums')
  check(storedChecksums === undefined || hasStoredChecksum(format), 'the frames have too many checksums')
  for (const column of [frameOffsets, frameChecksums, storedChecksums])
    check(column === undefined || column.length === frameSizes.length, 'a column is short')
  let offset = start
  const frames = frameSizes.map((size, at) => {
    const compressedSize = compressedSizes[at]!
    check(size > 0 && size <= FRAME_LIMIT && compressedSize > 0, `frame ${at} has an impossible size`)
    if (frameOffsets !== undefined) {
      check(frameOffsets[at]! >= offset, `frame ${at} lies in the one before`)
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
  if (format === 'tar')
    check(
      frames.every((frame) => frame.size === frame.compressedSize),
      'a frame has two sizes',
    )
  return frames
}

/**
 * The entries, checked: none can be written outside of the folder that they are extracted into. Each has a name of one part, in
 * a directory that is an earlier entry, and no two have the same path.
 */
export function decodeEntries(columns: Columns, digests: Buffer, frames: readonly Frame[]): ArchivedEntry[] {
  const count = columns.types.length
  const paths = decodePaths(columns)
  for (const column of [columns.modes, columns.seconds, columns.nanos])
    check(column.length === count, 'a column is short')
  const file = fileDecoder(columns, digests, frames)
  let [files, targets, links] = [0, 0, 0]
  const entries = paths.map((path, at): ArchivedEntry => {
    const mode = columns.modes[at]!
    const nanos = columns.nanos[at]!
    check(mode >= 0 && mode <= 0o7777 && nanos >= 0 && nanos < 1e9, 'an impossible mode or time')
    const common = { path, mode, mtimeNs: joinTime(columns.seconds[at]!, nanos) }
    switch (columns.types[at]) {
      case 'd':
        return { type: 'directory', ...common }
      case 'f':
        return file(common, files++)
      case 'l':
        return { type: 'symlink', ...common, target: linkTarget(columns.targets[targets++]) }
      case 'h': {
        const target = columns.links[links++] ?? -1
        check(columns.types[target] === 'f', 'a hard link to something that is not a file')
        return { type: 'hardlink', ...common, target: paths[target]! }
      }
      default:
        throw new Inconsistent('an entry of unknown type')
    }
  })
  check(files === columns.sizes.length && targets === columns.targets.length, 'a column is too long')
  check(links === columns.links.length, 'a column is too long')
  return entries
}

function decodePaths({ types, names, parents }: Columns): BytePath[] {
  check(types[0] === 'd', 'it does not begin with the prefix')
  check(isBytes(names), 'a name that is not made of bytes')
  const parts = types.length === 1 ? [] : names.split('/')
  check(parts.length === types.length - 1 && parents.length === parts.length, 'a column is short')
  const paths: BytePath[] = ['']
  for (const [at, name] of parts.entries()) {
    const parent = parents[at]!
    check(name !== '' && name !== '.' && name !== '..', 'a name that leads elsewhere')
    check(parent >= 0 && parent <= at && types[parent] === 'd', 'an entry in no folder')
    const path = parent === 0 ? name : `${paths[parent]!}/${name}`
    check(path > paths[at]!, 'entries that are not in order')
    paths.push(path)
  }
  return paths
}

function fileDecoder(columns: Columns, digests: Buffer, frames: readonly Frame[]) {
  const { sizes, packages, packageOf } = columns
  const count = sizes.length
  for (const column of [columns.frames, columns.offsets, packageOf]) check(column.length === count, 'a column is short')
  check(digests.length === count * DIGEST_SIZE, 'digests are missing')
  const hex = digests.toString('hex')
  const starts = [0]
  for (const frame of frames) starts.push(starts.at(-1)! + frame.size)
  const placeholders = new Map(columns.placeholders.map(([nth, text, mode]) => [nth, { text, mode }]))
  const relocations = new Map(columns.relocations)
  for (const nth of [...placeholders.keys(), ...relocations.keys()])
    check(nth in sizes, 'facts about a file that does not exist')

  return (common: Pick<ArchivedFile, 'path' | 'mode' | 'mtimeNs'>, nth: number): ArchivedFile => {
    const [size, frame, frameOffset] = [sizes[nth], columns.frames[nth]!, columns.offsets[nth]!]
    check(size !== undefined && size >= 0 && frame in frames, 'a file in a frame that does not exist')
    check(frameOffset >= 0 && frameOffset <= frames[frame]!.size, 'a file outside its frame')
    check(starts[frame]! + frameOffset + size <= starts.at(-1)!, 'a file that ends behind the last frame')
    const number = packageOf[nth]!
    check(number === -1 || number in packages, 'a package that does not exist')
    const placeholder = placeholders.get(nth)
    const stored = relocations.get(nth)
    if (stored) checkOccurrences([...stored.occurrences, ...(stored.escaped ?? [])], size)
    const relocation = stored && readRelocation(stored)
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

/** Checks only their offsets. Whoever uses a Relocation checks the rest. */
function checkOccurrences(occurrences: unknown[], size: number): void {
  for (const occurrence of occurrences) {
    const offset = (occurrence as { offset?: unknown } | null)?.offset
    check(typeof offset === 'number' && Number.isSafeInteger(offset), 'an occurrence without an offset')
    check(offset >= 0 && offset < size, 'an occurrence outside its file')
  }
}

function linkTarget(target: string | undefined): BytePath {
  check(target !== undefined && target !== '' && isBytes(target), 'a symbolic link without a target')
  return target
}

/** Whether it is a BytePath that the kernel takes: bytes, none of them 0. */
function isBytes(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0 || code > 0xff) return false
  }
  return true
}
