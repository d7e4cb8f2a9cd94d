import { createHash } from 'node:crypto'
import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs'
import { readFrameSync } from '../archive/reader.ts'
import { fsPath } from '../model/byte-path.ts'
import type { ContentKind } from '../model/relocation.ts'
import { applyToChunk, applyToWhole } from '../relocate/apply.ts'
import { planRelocation, type RelocationPlan } from '../relocate/plan.ts'
import { asTime } from '../stage/times.ts'
import { BYTES, type ExtractJob, type ExtractReport, FILES, NEXT, READY, STOP } from './protocol.ts'
import { piecesOf, relocationOf, type StoredPiece } from './work-list.ts'

/**
 * Takes frames that no other worker has taken, until there are none left, and writes what is in them. Each byte is
 * decompressed, relocated in memory and written once.
 */
export function extractFrames(job: ExtractJob): ExtractReport {
  const { flags } = job.control
  const report: ExtractReport = { left: [], digests: [] }
  const relocate = relocator(job, report)
  Atomics.wait(flags, READY, 0)
  while (Atomics.load(flags, STOP) === 0) {
    const frame = Atomics.add(flags, NEXT, 1)
    if (frame >= job.frames.length) break
    extractFrame(job, frame, relocate)
  }
  return report
}

function extractFrame(job: ExtractJob, frame: number, relocate: Relocate): void {
  let content: Buffer | undefined
  let [files, bytes] = [0, 0]
  for (const piece of piecesOf(job.work, frame)) {
    content ??= readFrameSync(job.archive.fd, job.archive, job.frames[frame]!)
    const data = content.subarray(piece.frameOffset, piece.frameOffset + piece.length)
    const relocated = relocate(data, piece)
    if (isWhole(piece)) writeWhole(relocated, piece, job)
    else writePart(relocated, piece, job)
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

const isWhole = ({ length, fileSize }: StoredPiece): boolean => length === fileSize

type Relocate = (data: Buffer, piece: StoredPiece) => Buffer

/** Large files in which something moves stay as they are here: they are rewritten when all their pieces are there. */
function relocator({ work, from, to }: ExtractJob, report: ExtractReport): Relocate {
  // Of the last file, since the next piece may be of the same one.
  let known: { at: number; kind: ContentKind; plan: RelocationPlan } | undefined
  return (data, { path, relocation: stored, contentOffset, length, fileSize }) => {
    if (stored === undefined) return data
    if (known?.at !== stored.at) {
      const relocation = relocationOf(work, stored)
      known = { at: stored.at, kind: relocation.kind, plan: planRelocation(relocation, { path }, from, to) }
    }
    const { kind, plan } = known
    if (plan.left.length > 0 && contentOffset === 0) report.left.push({ path, kind, occurrences: plan.left.length })
    if (plan.edits.length === 0) return data
    if (plan.sameLength) {
      applyToChunk(data, contentOffset, plan)
      return data
    }
    if (length < fileSize) return data
    const relocated = applyToWhole(data, plan)
    report.digests.push([path, createHash('sha256').update(relocated).digest('hex').slice(0, 32)])
    return relocated
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
const SET_ID = 0o6000

/** open, write, futimens, close. O_EXCL never follows a link that somebody else put there. */
function writeWhole(data: Buffer, { path, mode, mtime }: StoredPiece, { root, umask }: ExtractJob): void {
  const fd = openSync(fsPath(root, path), CREATE, mode)
  try {
    writeAll(fd, data, null)
    // What the umask took away, and the bits that writing takes away.
    if ((mode & (umask | SET_ID)) !== 0) fchmodSync(fd, mode)
    futimesSync(fd, asTime(mtime), asTime(mtime))
  } finally {
    closeSync(fd)
  }
}

/** Into the file that the main thread has made, and that it finishes when all pieces are there. */
function writePart(data: Buffer, { path, contentOffset }: StoredPiece, { root }: ExtractJob): void {
  const fd = openSync(fsPath(root, path), constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    writeAll(fd, data, contentOffset)
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, data: Buffer, position: number | null): void {
  for (let done = 0; done < data.length; )
    done += writeSync(fd, data, done, data.length - done, position === null ? null : position + done)
}
