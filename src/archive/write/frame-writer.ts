import { crc32 } from 'node:zlib'
import type { Frame } from '../../model/archive-index.ts'
import { release } from '../../platform/release.ts'
import { type Compress, compressInPool, type Format, hasStoredChecksum, needsChecksum } from '../codec.ts'
import { FRAME_ENOUGH, FRAME_SIZE } from '../format.ts'
import { type ArchiveFile, writeAll } from './file.ts'

/**
 * Frames compressed at once, and threads that do so, whatever is asked for: each costs 17 to 50 MB (input, output, compressor, what
 * waits for it, what the garbage collector has not got to), and eight of them take in some 2 GB a second, more than network file systems give.
 */
const MOST_AT_ONCE = 8
/** At levels at which four of them take in more than one thread can read. */
const MOST_AT_ONCE_QUICK = 4
const QUICK_ZSTD = 5

/** @returns 1 or more of `threads` */
export function framesAtOnce({ format, level, threads }: { format: Format; level: number; threads: number }): number {
  const isQuick = format === 'tar.zst' && level <= QUICK_ZSTD
  return Math.max(1, Math.min(threads, isQuick ? MOST_AT_ONCE_QUICK : MOST_AT_ONCE))
}

interface Facts {
  size: number
  checksum: number | undefined
}

interface Options {
  handle: ArchiveFile
  /** For messages. */
  path: string
  format: Format
  level: number
  threads: number
  /** Where in the file the first frame goes. */
  offset: number
  /** Compresses a frame, which lies in shared memory then. Left out: in libuv's pool. */
  compress?: Compress | undefined
  /** Shown each frame when it is full, in shared memory, which is used again when the promise resolves. */
  onFull?: ((content: Buffer) => Promise<void>) | undefined
}

/**
 * Takes tar bytes, cuts them into frames, compresses several at once and writes them in order. At most `threads` + 2
 * frames are in memory: one being filled, `threads` being compressed, one being written.
 */
export class FrameWriter {
  readonly frames: Frame[] = []
  #options: Options
  #buffer: Buffer
  #used = 0
  #count = 0
  #free: Buffer[] = []
  #inFlight: Promise<void>[] = []
  #written: Promise<void> = Promise.resolve()

  constructor(options: Options) {
    this.#options = { ...options, threads: framesAtOnce(options) }
    this.#buffer = this.#allocate()
  }

  #allocate(): Buffer {
    const { onFull, compress } = this.#options
    return onFull || compress ? Buffer.from(new SharedArrayBuffer(FRAME_SIZE)) : Buffer.allocUnsafeSlow(FRAME_SIZE)
  }

  /** Frame and offset at which the next byte goes. */
  get position(): { frame: number; offset: number } {
    return { frame: this.#count, offset: this.#used }
  }

  /** Starts a member; closes the frame first where that keeps the member in one piece, or its header from being cut. */
  async begin(header: Buffer, size: number): Promise<void> {
    const room = FRAME_SIZE - this.#used
    const cut = header.length + size > room
    if (cut && (this.#used >= FRAME_ENOUGH || header.length >= room)) await this.#close()
    await this.append(header)
    if (size > 0 && this.#used === FRAME_SIZE) await this.#close()
  }

  /** Goes on with the member; what doesn't fit goes on at the start of the next frame. */
  async append(data: Buffer): Promise<void> {
    let taken = 0
    while (taken < data.length) {
      if (this.#used === FRAME_SIZE) await this.#close()
      const copied = data.copy(this.#buffer, this.#used, taken)
      this.#used += copied
      taken += copied
    }
  }

  /** Ends the frame in hand, so that what comes stands in another. `least`: not where it holds fewer bytes. */
  async cut(least = 1): Promise<void> {
    if (this.#used >= least) await this.#close()
  }

  /**
   * Puts in frames as they are, and gives the number of the first: `stored` holds them one behind another.
   * `release` is called when they are written, and `taken` has resolved.
   */
  async copy(
    stored: Buffer,
    frames: readonly Frame[],
    { taken, release }: { taken?: Promise<void> | undefined; release?(): void } = {},
  ): Promise<number> {
    await this.cut()
    const first = this.#count
    this.#count += frames.length
    const written = this.#writeCopied(this.#written, stored, frames)
    await this.#begin(
      written,
      Promise.all([written, taken]).then(() => release?.()),
    )
    return first
  }

  /** Writes what is left. Resolves to the offset behind the last frame. */
  async finish(): Promise<number> {
    if (this.#used > 0) await this.#close()
    await this.#written
    return this.#end
  }

  /** Resolves when nothing works on the file any more, after a failure too. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight)
  }

  async #close(): Promise<void> {
    const { format, level, onFull, compress = compressInPool } = this.#options
    const buffer = this.#buffer
    const content = buffer.subarray(0, this.#used)
    const checksum = needsChecksum(format) ? crc32(content) : undefined
    const compressed = compress(format, content, level)
    const seen = onFull?.(content)
    const written = this.#write(this.#written, compressed, { size: this.#used, checksum })
    compressed.catch(() => {})
    this.#count++
    this.#used = 0
    await this.#begin(
      written,
      Promise.all([written, seen]).then(() => void this.#free.push(buffer)),
    )
    this.#buffer = this.#free.pop() ?? this.#allocate()
  }

  /** Waits only where there are more than `threads` at work. `done`: when also nobody needs its content any more. */
  async #begin(written: Promise<void>, done: Promise<void> = written): Promise<void> {
    this.#written = written
    // Failures surface where these are awaited, in order; until then they must not count as unhandled.
    written.catch(() => {})
    done.catch(() => {})
    this.#inFlight.push(done)
    if (this.#inFlight.length > this.#options.threads) await this.#inFlight.shift()
  }

  async #write(before: Promise<void>, compressed: Promise<Buffer>, facts: Facts): Promise<void> {
    await before
    const data = await compressed
    const { handle, path, format } = this.#options
    const offset = this.#end
    await writeAll(handle, path, data, offset)
    const { size, checksum } = facts
    this.frames.push({
      offset,
      compressedSize: data.length,
      size,
      ...(checksum !== undefined && { checksum }),
      ...(hasStoredChecksum(format) && { storedChecksum: crc32(data) }),
    })
    // Of a plain tar these are the frame's own bytes, whose memory is used again.
    if (format !== 'tar') release(data)
  }

  async #writeCopied(before: Promise<void>, stored: Buffer, frames: readonly Frame[]): Promise<void> {
    await before
    const { handle, path } = this.#options
    await writeAll(handle, path, stored, this.#end)
    for (const frame of frames) this.frames.push({ ...frame, offset: this.#end })
  }

  /** Behind the last frame that is written. */
  get #end(): number {
    const last = this.frames.at(-1)
    return last === undefined ? this.#options.offset : last.offset + last.compressedSize
  }
}
