import { decodeFrame, readStored } from '../archive/reader.ts'
import { release } from '../platform/release.ts'
import {
  BYTES,
  type ExtractJob,
  type ExtractReport,
  FILES,
  FRAMES_READ,
  NEXT,
  READY,
  SHARED_BYTES,
  SHARED_FILES,
  STOP,
  WAITING,
} from './protocol.ts'
import { needsFrame, piecesOf, relocationOf, type StoredPiece } from './work-list.ts'
import { PieceWriter } from './write-pieces.ts'

/** A frame that is being read, unless nothing is needed of it. */
interface FrameAhead {
  frame: number
  stored: Promise<Buffer> | undefined
}

/**
 * Takes frames that no other worker has taken until none is left, and writes their files. Each byte is decompressed,
 * relocated in memory and written once. The archive may be on a slow file system, so the next frame is read meanwhile. Files that
 * other copies on this node have are taken from there; a frame of which no file is missing then is not read.
 */
export async function extractFrames(job: ExtractJob): Promise<ExtractReport> {
  const { flags } = job.control
  const stored = ({ relocation }: StoredPiece) =>
    relocation && { key: relocation.at, read: () => relocationOf(job.work, relocation) }
  const writer = new PieceWriter(job, stored, { mayEdit: true })
  let ahead = readNext(job)
  Atomics.wait(flags, READY, 0)
  const stopped = Promise.resolve(Atomics.waitAsync(flags, STOP, 0).value).then(() => undefined)
  while (ahead !== undefined && Atomics.load(flags, STOP) === 0) {
    const { frame, stored } = ahead
    const pieces = missing(job, frame, writer)
    const data = pieces.length === 0 ? undefined : (stored ?? readFrame(job, frame))
    ahead = readNext(job)
    if (data === undefined) continue
    Atomics.add(flags, WAITING, 1)
    // A file server may never answer.
    const read = await Promise.race([data, stopped])
    Atomics.sub(flags, WAITING, 1)
    if (read === undefined) break
    extractFrame(job, { frame, pieces, data: read }, writer)
  }
  return writer.report
}

const NOTHING = Buffer.alloc(0)

/** The pieces of a frame that can only be had from the archive. The others are made. */
function missing(job: ExtractJob, frame: number, writer: PieceWriter<StoredPiece>): StoredPiece[] {
  const { written } = job.control
  const pieces: StoredPiece[] = []
  for (const piece of piecesOf(job.work, frame)) {
    const made = make(piece, job, writer)
    if (made === undefined) {
      pieces.push(piece)
      continue
    }
    Atomics.add(written, FILES, 1n)
    Atomics.add(written, BYTES, BigInt(piece.length))
    if (made !== 'shared') continue
    Atomics.add(written, SHARED_FILES, 1n)
    Atomics.add(written, SHARED_BYTES, BigInt(piece.length))
  }
  return pieces
}

/** Makes a file without the archive, if that is possible. */
function make(
  piece: StoredPiece,
  { copies }: ExtractJob,
  writer: PieceWriter<StoredPiece>,
): 'shared' | 'written' | undefined {
  const { equal } = piece
  if (piece.fileSize > 0) return equal && writer.take(piece, { ...equal, from: copies[equal.copy]! })
  writer.write(NOTHING, piece)
  return 'written'
}

function readNext(job: ExtractJob): FrameAhead | undefined {
  const frame = Atomics.add(job.control.flags, NEXT, 1)
  if (frame >= job.frames.length) return undefined
  return { frame, stored: needsFrame(job.work, frame) ? readFrame(job, frame) : undefined }
}

function readFrame({ archive, frames, control }: ExtractJob, frame: number): Promise<Buffer> {
  Atomics.add(control.written, FRAMES_READ, 1n)
  const stored = readStored(archive.fd, archive, frames[frame]!)
  // Whoever comes to it gets the failure; until then it must not count as unhandled.
  stored.catch(() => {})
  return stored
}

function extractFrame(
  job: ExtractJob,
  { frame, pieces, data }: { frame: number; pieces: readonly StoredPiece[]; data: Buffer },
  writer: PieceWriter<StoredPiece>,
): void {
  let content: Buffer | undefined
  let [files, bytes] = [0, 0]
  for (const piece of pieces) {
    content ??= decodeFrame(data, job.archive, job.frames[frame]!)
    writer.write(content, piece)
    if (piece.contentOffset === 0) files++
    bytes += piece.length
  }
  if (content !== undefined) release(content)
  release(data)
  Atomics.add(job.control.written, FILES, BigInt(files))
  Atomics.add(job.control.written, BYTES, BigInt(bytes))
}
