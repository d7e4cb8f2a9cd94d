import { crc32 } from 'node:zlib'
import type { Frame } from '../../model/archive-index.ts'
import { release } from '../../platform/release.ts'
import { type Compress, compressInPool, type Format, hasStoredChecksum, needsChecksum } from '../codec.ts'
import { FRAME_ENOUGH, FRAME_SIZE } from '../format.ts'
import type { Sink } from './file.ts'

/**
 * The most frames that are compressed at once, and the most threads that do it. Each costs 17 to 50 MB: input, output, compressor,
 * frames that wait for it, and garbage that is not collected yet. Eight take in some 2 GB a second, more than network file systems give.
 */
const MOST_AT_ONCE = 8
/** At these levels four take in more than one thread can read. */
const MOST_AT_ONCE_QUICK = 4
const QUICK_ZSTD = 5

/** @returns 1 or more of `threads` */
export function framesAtOnce({ format, level, threads }: { format: Format; level: number; threads: number }): number {
  const isQuick = format === 'tar.zst' && level <= QUICK_ZSTD
  return Math.max(1, Math.min(threads, isQuick ? MOST_AT_ONCE_QUICK : MOST_AT_ONCE))
}

interface FrameOptions {
  sink: Sink
  format: Format
  level: number
  threads: number
  /** Where in the file the first frame goes. */
  offset: number
  /** Compresses a frame, which then lies in shared memory. By default libuv's pool does it. */
  compress?: Compress | undefined
  /** Gets each full frame, in shared memory. The memory is used again when the promise resolves. */
  onFull?: ((content: Buffer) => Promise<void>) | undefined
}

/**
 * Takes tar bytes, cuts them into frames, compresses several at once and writes them in order. At most `threads` + 2
 * frames are in memory: one is being filled, `threads` are being compressed, one is being written.
 */
export class FrameWriter {
  readonly frames: Frame[] = []
  #options: FrameOptions
  #buffer: Buffer
  #used = 0
  #count = 0
  #free: Buffer[] = []
  #inFlight: Promise<void>[] = []
  #written: Promise<void> = Promise.resolve()

  constructor(options: FrameOptions) {
    this.#options = { ...options, threads: framesAtOnce(options) }
    this.#buffer = this.#allocate()
  }

  #allocate(): Buffer {
    const { onFull, compress } = this.#options
    return onFull || compress ? Buffer.from(new SharedArrayBuffer(FRAME_SIZE)) : Buffer.allocUnsafeSlow(FRAME_SIZE)
  }

  /** Frame and offset of the next byte. */
  get position(): { frame: number; offset: number } {
    return { frame: this.#count, offset: this.#used }
  }

  /** Begins a member. Closes the frame first if that keeps the member in one piece, or its header from being cut. */
  async begin(header: Buffer, size: number): Promise<void> {
    const room = FRAME_SIZE - this.#used
    const cut = header.length + size > room
    if (cut && (this.#used >= FRAME_ENOUGH || header.length >= room)) await this.#close()
    await this.append(header)
    if (size > 0 && this.#used === FRAME_SIZE) await this.#close()
  }

  /** Continues the member. Bytes that don't fit go to the start of the next frame. */
  async append(data: Buffer): Promise<void> {
    let taken = 0
    while (taken < data.length) {
      if (this.#used === FRAME_SIZE) await this.#close()
      const copied = data.copy(this.#buffer, this.#used, taken)
      this.#used += copied
      taken += copied
    }
  }

  /** Ends the frame in hand, if it holds at least so many bytes: what comes next goes into another frame. */
  async cut(least = 1): Promise<void> {
    if (this.#used >= least) await this.#close()
  }

  /**
   * Puts in frames as they are stored, one behind another, and gives the number of the first.
   * Calls `release` when they are written and `taken` has resolved.
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

  /** Writes the rest. Gives the offset behind the last frame. */
  async finish(): Promise<number> {
    if (this.#used > 0) await this.#close()
    await this.#written
    return this.#end
  }

  /** Resolves when nothing works on the file any more, even after a failure. */
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

  /** Waits only if more than `threads` frames are on their way. `done` resolves when nobody needs the frame's content any more. */
  async #begin(written: Promise<void>, done: Promise<void> = written): Promise<void> {
    this.#written = written
    // Failures surface when these are awaited, in order. Until then they must not count as unhandled.
    written.catch(() => {})
    done.catch(() => {})
    this.#inFlight.push(done)
    if (this.#inFlight.length > this.#options.threads) await this.#inFlight.shift()
  }

  async #write(
    before: Promise<void>,
    compressed: Promise<Buffer>,
    { size, checksum }: { size: number; checksum: number | undefined },
  ): Promise<void> {
    await before
    const data = await compressed
    const { sink, format } = this.#options
    const offset = this.#end
    await sink.write(data, offset)
    this.frames.push({
      offset,
      compressedSize: data.length,
      size,
      ...(checksum !== undefined && { checksum }),
      ...(hasStoredChecksum(format) && { storedChecksum: crc32(data) }),
    })
    // In a plain tar these are the frame's own bytes, and their memory is used again.
    if (format !== 'tar') release(data)
  }

  async #writeCopied(before: Promise<void>, stored: Buffer, frames: readonly Frame[]): Promise<void> {
    await before
    await this.#options.sink.write(stored, this.#end)
    for (const frame of frames) this.frames.push({ ...frame, offset: this.#end })
  }

  /** The offset behind the last frame that is written. */
  get #end(): number {
    const last = this.frames.at(-1)
    return last === undefined ? this.#options.offset : last.offset + last.compressedSize
  }
}
