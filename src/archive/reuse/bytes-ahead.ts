import type { FileHandle } from 'node:fs/promises'

/** The most bytes that are read and kept in memory before anybody asks for them. */
const MOST_BYTES = 96 * 1024 * 1024
/** Small blocks, and not too many at once, because the index has to be read beside them, and everything waits for it. */
const BLOCK = 1024 * 1024
const AT_ONCE = 16

/**
 * Reads a file from its beginning on before it is known which bytes are wanted: finding that out is bound by latency, and
 * reading by bandwidth. Later it keeps reading ahead of what is asked for.
 */
export class BytesAhead {
  readonly #handle: Pick<FileHandle, 'read'>
  /** In order. A short block ends at the end of the file, or could not be read. */
  readonly #blocks: (Promise<Buffer> | undefined)[] = []
  #running = 0
  #forgotten = 0
  #isStopped = false

  constructor(handle: Pick<FileHandle, 'read'>) {
    this.#handle = handle
    this.#fill()
  }

  /** Begins no further reads. Those under way end by themselves, even if the file is closed. */
  stop(): void {
    this.#isStopped = true
  }

  /** These bytes, or undefined if they are not here. Callers ask in order: bytes before these are forgotten. */
  async take(offset: number, size: number): Promise<Buffer | undefined> {
    const first = Math.floor(offset / BLOCK)
    const last = Math.ceil((offset + size) / BLOCK)
    while (!this.#isStopped && this.#blocks.length < last) this.#begin()
    const wanted = this.#blocks.slice(first, last)
    for (; this.#forgotten < Math.min(first, this.#blocks.length); this.#forgotten++)
      this.#blocks[this.#forgotten] = undefined
    this.#fill()
    if (wanted.length < last - first || wanted.includes(undefined)) return undefined
    const blocks = (await Promise.all(wanted)) as Buffer[]
    if (blocks.slice(0, -1).some(({ length }) => length < BLOCK)) return undefined
    const bytes = Buffer.concat(blocks).subarray(offset - first * BLOCK)
    return bytes.length < size ? undefined : bytes.subarray(0, size)
  }

  #fill(): void {
    const most = MOST_BYTES / BLOCK
    while (!this.#isStopped && this.#running < AT_ONCE && this.#blocks.length - this.#forgotten < most) this.#begin()
  }

  #begin(): void {
    this.#running++
    const block = this.#read(this.#blocks.length * BLOCK)
    this.#blocks.push(block)
    block.then(({ length }) => {
      this.#running--
      // Nothing follows the end of the file, or a failure.
      this.#isStopped ||= length < BLOCK
      this.#fill()
    })
  }

  async #read(offset: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(BLOCK)
    try {
      for (let done = 0; done < BLOCK; ) {
        const { bytesRead } = await this.#handle.read(bytes, done, BLOCK - done, offset + done)
        if (bytesRead === 0) return bytes.subarray(0, done)
        done += bytesRead
      }
      return bytes
    } catch {
      // The caller reads the block itself then, and reports what is wrong.
      return Buffer.alloc(0)
    }
  }
}
