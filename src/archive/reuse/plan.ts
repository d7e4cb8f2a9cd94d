import type { ArchivedFile, ArchiveIndex, Frame } from '../../model/archive-index.ts'
import type { BytePath } from '../../model/byte-path.ts'
import { padding, tarHeaderSize } from '../tar.ts'

/** Bytes of a frame, uncompressed. */
interface Range {
  from: number
  to: number
}

/** A frame of the old archive that is copied as it is, or of which parts are compressed anew. */
export interface ReusedFrame {
  frame: Frame
  parts?: Range[]
}

export interface ReusePlan {
  /** The beginning of the new archive. */
  frames: ReusedFrame[]
  /** The files in these frames, at their places in the new archive. */
  carried: ArchivedFile[]
  /** The other unchanged files, at their places and in their order in the old archive. */
  others: ArchivedFile[]
}

/** The bytes of a file in the tar stream, with header and padding. */
interface Extent extends Range {
  file: ArchivedFile
  /** The entry for the new index, but at its old place. Undefined if the file has changed. */
  unchanged: ArchivedFile | undefined
}

/**
 * Decides which frames of a tar, compressed or not, are copied: those that hold unchanged files and nothing else. A frame with
 * members that the index doesn't know is not copied. A last frame below 1 MiB isn't either, because it also holds what
 * follows the files. So small frames don't pile up, although each repack leaves one.
 *
 * Of a file that is cut, maybe only some frames are copied. Its parts in the other frames are compressed anew, at the same
 * place. So one changed file beside a library of a gigabyte costs a frame and not a gigabyte.
 * @param unchanged by path: the entry of the new index, with frame and offset in the old archive
 */
export function planReuse(old: ArchiveIndex, unchanged: ReadonlyMap<BytePath, ArchivedFile>): ReusePlan {
  const starts = [0]
  for (const { size } of old.frames) starts.push(starts.at(-1)! + size)
  const extents = extentsOf(old, starts, unchanged)
  const copied = copiedFrames(old, starts, extents)
  const cut: Extent[] = []
  const carried: Extent[] = []
  const others: ArchivedFile[] = []
  for (const extent of extents) {
    if (extent.unchanged === undefined) continue
    const [first, last] = framesOf(extent, starts)
    const count = copied.slice(first, last + 1).filter(Boolean).length
    if (count === 0) others.push(extent.unchanged)
    else carried.push(extent)
    if (count > 0 && count < last - first + 1) cut.push(extent)
  }
  const parts = partsOf(cut, copied, starts)
  const numbers = new Map<number, number>()
  const frames: ReusedFrame[] = []
  for (const [at, frame] of old.frames.entries()) {
    const ranges = parts.get(at)
    if (!copied[at] && ranges === undefined) continue
    numbers.set(at, frames.length)
    frames.push({ frame, ...(ranges && { parts: ranges }) })
  }
  const moved = (file: ArchivedFile): ArchivedFile => {
    const frameOffset = offsetIn(parts.get(file.frame), file.frameOffset)
    return { ...file, frame: numbers.get(file.frame)!, frameOffset }
  }
  return { frames, carried: carried.map(({ unchanged }) => moved(unchanged!)), others }
}

function extentsOf(
  { entries }: ArchiveIndex,
  starts: readonly number[],
  unchanged: ReadonlyMap<BytePath, ArchivedFile>,
): Extent[] {
  const extents: Extent[] = []
  for (const file of entries) {
    if (file.type !== 'file') continue
    const content = starts[file.frame]! + file.frameOffset
    const from = content - tarHeaderSize(file)
    extents.push({ file, from, to: content + file.size + padding(file.size), unchanged: unchanged.get(file.path) })
  }
  return extents.sort((a, b) => a.from - b.from)
}

/** The first and the last frame that hold bytes of the file. */
function framesOf({ file, from, to }: Extent, starts: readonly number[]): [first: number, last: number] {
  let [first, last] = [file.frame, file.frame]
  while (first > 0 && starts[first]! > from) first--
  while (starts[last + 1]! < to) last++
  return [first, last]
}

/** Says of each frame whether it is copied. */
function copiedFrames({ frames }: ArchiveIndex, starts: readonly number[], extents: readonly Extent[]): boolean[] {
  const known = frames.map(() => 0)
  const isRuledOut = frames.map(() => false)
  let end = 0
  for (const extent of extents) {
    const [first, last] = framesOf(extent, starts)
    for (let at = first; at <= last; at++) {
      known[at]! += Math.min(extent.to, starts[at + 1]!) - Math.max(extent.from, starts[at]!)
      if (extent.unchanged === undefined || extent.from < end) isRuledOut[at] = true
    }
    end = extent.to
  }
  return frames.map(({ size }, at) => !isRuledOut[at] && known[at] === size)
}

/** The parts of cut files in frames that are not copied, by frame. */
function partsOf(cut: readonly Extent[], copied: readonly boolean[], starts: readonly number[]): Map<number, Range[]> {
  const parts = new Map<number, Range[]>()
  for (const extent of cut) {
    const [first, last] = framesOf(extent, starts)
    for (let at = first; at <= last; at++) {
      if (copied[at]) continue
      const start = starts[at]!
      const range = { from: Math.max(extent.from, start) - start, to: Math.min(extent.to, starts[at + 1]!) - start }
      parts.set(at, [...(parts.get(at) ?? []), range])
    }
  }
  return parts
}

/** The new place of an offset in a frame of which only `parts` are left. */
function offsetIn(parts: readonly Range[] | undefined, offset: number): number {
  if (parts === undefined) return offset
  let before = 0
  for (const { from, to } of parts) {
    if (offset >= from && offset <= to) return before + offset - from
    before += to - from
  }
  throw new RangeError(`offset ${offset} is in no part`)
}
