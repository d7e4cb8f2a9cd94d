import type { ArchivedFile, ArchiveIndex, Frame } from '../../model/archive-index.ts'
import type { BytePath } from '../../model/byte-path.ts'
import { padding, tarHeaderSize } from '../tar.ts'

/** Bytes of a frame, uncompressed. */
interface Range {
  from: number
  to: number
}

/** What becomes of one frame of the old archive: it is copied as it is, or parts of it are compressed anew. */
export interface ReusedFrame {
  frame: Frame
  parts?: Range[]
}

export interface ReusePlan {
  /** How the new archive begins. */
  frames: ReusedFrame[]
  /** The files in these, at the places that they get in the new archive. */
  carried: ArchivedFile[]
  /** The other unchanged files, at their places in the old archive, in the order in which they stand there. */
  others: ArchivedFile[]
}

/** A file as it stands in the tar stream, header and padding included. */
interface Extent extends Range {
  file: ArchivedFile
  /** As the new archive's index shall have it, but for its place. undefined where its content is another now. */
  unchanged: ArchivedFile | undefined
}

/**
 * Decides which frames of a tar (compressed or not) are copied. A frame is, if it is made up exactly of files that are
 * unchanged; so one with members that the index doesn't know is not. Neither is a last one below 1 MiB, which holds
 * what follows the files too: so little frames, of which each repack leaves one, don't pile up.
 *
 * A file that is cut, of whose frames only some are copied, gets its parts in the others compressed anew, in the same
 * place: so that one changed file beside a library of a gigabyte costs a frame and not a gigabyte.
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

/** First and last frame that hold bytes of it. */
function framesOf({ file, from, to }: Extent, starts: readonly number[]): [first: number, last: number] {
  let [first, last] = [file.frame, file.frame]
  while (first > 0 && starts[first]! > from) first--
  while (starts[last + 1]! < to) last++
  return [first, last]
}

/** Whether each frame may be copied. */
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

/** By frame: the parts of cut files in frames that are not copied. */
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

/** Where an offset of a frame comes to stand, when only `parts` of it are left. */
function offsetIn(parts: readonly Range[] | undefined, offset: number): number {
  if (parts === undefined) return offset
  let before = 0
  for (const { from, to } of parts) {
    if (offset >= from && offset <= to) return before + offset - from
    before += to - from
  }
  throw new RangeError(`offset ${offset} is in no part`)
}
