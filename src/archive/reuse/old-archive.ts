import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { StageError } from '../../errors.ts'
import type { ArchivedFile, ArchiveIndex, Frame } from '../../model/archive-index.ts'
import { displayPath } from '../../model/byte-path.ts'
import type { ArchiveItem } from '../../model/item.ts'
import { decompressSync } from '../codec.ts'
import { asReadFailure, damaged } from '../failure.ts'
import type { TakenOver } from '../write/member-writer.ts'
import type { BytesAhead } from './bytes-ahead.ts'
import type { ReusedFrame } from './plan.ts'

/** Stored bytes that are read, and written, at once. Network file systems are read in large pieces. */
const AT_ONCE = 4 * 1024 * 1024
/** Such reads under way at once. */
const AHEAD = 3

/**
 * The contents of an archive, as a source for the archive that replaces it. Everything is verified: stored frames by their
 * checksums, files by their digests. A checksum of the stored bytes costs 0.3 s per gigabyte; decompressing them would cost 5 s.
 * All methods throw StageError ARCHIVE_DAMAGED or ARCHIVE_UNREADABLE.
 */
export class OldArchive {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #index: ArchiveIndex
  readonly #ahead: BytesAhead | undefined
  /** The frame that was decompressed last. Its files are asked for one after another. */
  #last: { at: number; content: Buffer } | undefined

  /** @param path for messages; `ahead` holds bytes that are read already */
  constructor(handle: FileHandle, { path, index, ahead }: { path: string; index: ArchiveIndex; ahead?: BytesAhead }) {
    this.#handle = handle
    this.#path = path
    this.#index = index
    this.#ahead = ahead
  }

  /** The frames in this order. Neighbours in the file come together. */
  async *frames(plan: readonly ReusedFrame[]): AsyncGenerator<TakenOver> {
    // If most of the archive is wanted, reading ahead continues.
    if (plan.length < this.#index.frames.length / 2) this.#ahead?.stop()
    const begun: Promise<TakenOver>[] = []
    const runs = runsOf(plan)
    for (let next = 0; next < runs.length || begun.length > 0; ) {
      while (next < runs.length && begun.length < AHEAD) {
        const run = this.#read(runs[next++]!)
        // The failure surfaces when this is awaited. Until then it must not count as unhandled.
        run.catch(() => {})
        begun.push(run)
      }
      yield await begun.shift()!
    }
  }

  /** The file with its content. Consume it before you ask for the next. */
  item(file: ArchivedFile): ArchiveItem {
    const { digest, relocation } = file
    const facts = relocation === undefined ? { digest } : { digest, relocation }
    return { entry: file, content: { chunks: this.#content(file), facts: () => facts } }
  }

  async #read(run: ReusedFrame[]): Promise<TakenOver> {
    const { frame, parts } = run[0]!
    if (parts !== undefined) {
      const content = await this.#decompressed(frame)
      return { content: Buffer.concat(parts.map(({ from, to }) => content.subarray(from, to))) }
    }
    const frames = run.map((one) => one.frame)
    const { offset, end } = placeOf(run)
    const stored = await this.#bytes(offset, end - offset)
    for (const one of frames)
      this.#verify(one, stored.subarray(one.offset - frame.offset).subarray(0, one.compressedSize))
    return { stored, frames }
  }

  async *#content(file: ArchivedFile): AsyncGenerator<Buffer> {
    const digest = createHash('sha256')
    let { frame, frameOffset, size } = file
    for (; size > 0; frame++, frameOffset = 0) {
      if (this.#last?.at !== frame) {
        this.#last = { at: frame, content: await this.#decompressed(this.#index.frames[frame]!) }
      }
      const piece = this.#last.content.subarray(frameOffset, frameOffset + size)
      digest.update(piece)
      size -= piece.length
      yield piece
    }
    if (!digest.digest('hex').startsWith(file.digest))
      throw this.#damaged(`the content of ${displayPath(file.path)} is not what was archived`)
  }

  async #decompressed(frame: Frame): Promise<Buffer> {
    const stored = await this.#bytes(frame.offset, frame.compressedSize)
    this.#verify(frame, stored)
    try {
      return decompressSync(this.#index.format, stored, frame.size, frame.checksum)
    } catch (cause) {
      throw this.#damaged(`the frame at byte ${frame.offset} can't be decompressed`, cause)
    }
  }

  #verify({ offset, checksum, storedChecksum = checksum }: Frame, stored: Buffer): void {
    if (crc32(stored) !== storedChecksum) throw this.#damaged(`the checksum of the frame at byte ${offset} is wrong`)
  }

  async #bytes(offset: number, size: number): Promise<Buffer> {
    return (await this.#ahead?.take(offset, size)) ?? (await this.#fromFile(offset, size))
  }

  async #fromFile(offset: number, size: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(size)
    try {
      for (let done = 0; done < size; ) {
        const { bytesRead } = await this.#handle.read(bytes, done, size - done, offset + done)
        if (bytesRead === 0) throw this.#damaged('it ends early')
        done += bytesRead
      }
    } catch (error) {
      throw asReadFailure(error, this.#path)
    }
    return bytes
  }

  #damaged(what: string, cause?: unknown): StageError {
    return damaged(this.#path, what, cause)
  }
}

/** Groups frames that are copied and are neighbours in the file, up to the size of one read. All others stay single. */
function runsOf(plan: readonly ReusedFrame[]): ReusedFrame[][] {
  const runs: ReusedFrame[][] = []
  for (const one of plan) {
    const last = runs.at(-1)
    const place = last && placeOf(last)
    const isNext = place && !last[0]!.parts && !one.parts && place.end === one.frame.offset
    const isFull = place && place.end - place.offset + one.frame.compressedSize > AT_ONCE
    if (isNext && !isFull) last.push(one)
    else runs.push([one])
  }
  return runs
}

/** Where the run lies in the file. */
function placeOf(run: readonly ReusedFrame[]): { offset: number; end: number } {
  const last = run.at(-1)!.frame
  return { offset: run[0]!.frame.offset, end: last.offset + last.compressedSize }
}

/** Whether its frames can be taken over compressed, and verified by its index. */
export const canBeReused = ({ format, frames }: ArchiveIndex): boolean =>
  format !== 'zip' &&
  format !== 'sqfs' &&
  frames.every(({ checksum, storedChecksum }) => (checksum ?? storedChecksum) !== undefined)
