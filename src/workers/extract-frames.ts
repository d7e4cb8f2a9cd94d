import { readFrameSync } from '../archive/reader.ts'
import { BYTES, type ExtractJob, type ExtractReport, FILES, NEXT, READY, STOP } from './protocol.ts'
import { piecesOf, relocationOf, type StoredPiece } from './work-list.ts'
import { PieceWriter } from './write-pieces.ts'

/**
 * Takes frames that no other worker has taken, until there are none left, and writes what is in them. Each byte is
 * decompressed, relocated in memory and written once.
 */
export function extractFrames(job: ExtractJob): ExtractReport {
  const { flags } = job.control
  const stored = ({ relocation }: StoredPiece) =>
    relocation && { key: relocation.at, read: () => relocationOf(job.work, relocation) }
  const writer = new PieceWriter(job, stored, { mayEdit: true })
  Atomics.wait(flags, READY, 0)
  while (Atomics.load(flags, STOP) === 0) {
    const frame = Atomics.add(flags, NEXT, 1)
    if (frame >= job.frames.length) break
    extractFrame(job, frame, writer)
  }
  return writer.report
}

function extractFrame(job: ExtractJob, frame: number, writer: PieceWriter<StoredPiece>): void {
  let content: Buffer | undefined
  let [files, bytes] = [0, 0]
  for (const piece of piecesOf(job.work, frame)) {
    content ??= readFrameSync(job.archive.fd, job.archive, job.frames[frame]!)
    writer.write(content, piece)
    if (piece.contentOffset === 0) files++
    bytes += piece.length
  }
  if (content !== undefined) release(content)
  Atomics.add(job.control.written, FILES, BigInt(files))
  Atomics.add(job.control.written, BYTES, BigInt(bytes))
}

/**
 * Frees the memory now: the collector lets 64 MB of dead buffers gather in each worker, and fresh memory costs page
 * faults. Small buffers lie in a pool with others, and there is no harm in them.
 */
function release({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > POOLED) buffer.transfer(0)
}

/** Above the size of any buffer pool of Node's. */
const POOLED = 256 * 1024
