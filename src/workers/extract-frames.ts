import { decodeFrame, readStored } from '../archive/reader.ts'
import { release } from '../platform/release.ts'
import { BYTES, type ExtractJob, type ExtractReport, FILES, NEXT, READY, STOP, WAITING } from './protocol.ts'
import { piecesOf, relocationOf, type StoredPiece } from './work-list.ts'
import { PieceWriter } from './write-pieces.ts'

/** A frame that is being read. */
interface FrameAhead {
  frame: number
  stored: Promise<Buffer>
}

/**
 * Takes frames that no other worker has taken until none is left, and writes their files. Each byte is decompressed,
 * relocated in memory and written once. The archive may be on a slow file system, so the next frame is read meanwhile.
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
    Atomics.add(flags, WAITING, 1)
    // A file server may never answer.
    const data = await Promise.race([stored, stopped])
    Atomics.sub(flags, WAITING, 1)
    if (data === undefined) break
    ahead = readNext(job)
    extractFrame(job, { frame, data }, writer)
  }
  return writer.report
}

function readNext({ control: { flags }, frames, archive }: ExtractJob): FrameAhead | undefined {
  const frame = Atomics.add(flags, NEXT, 1)
  if (frame >= frames.length) return undefined
  const stored = readStored(archive.fd, archive, frames[frame]!)
  // Whoever comes to it gets the failure; until then it must not count as unhandled.
  stored.catch(() => {})
  return { frame, stored }
}

function extractFrame(
  job: ExtractJob,
  { frame, data }: { frame: number; data: Buffer },
  writer: PieceWriter<StoredPiece>,
): void {
  let content: Buffer | undefined
  let [files, bytes] = [0, 0]
  for (const piece of piecesOf(job.work, frame)) {
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
