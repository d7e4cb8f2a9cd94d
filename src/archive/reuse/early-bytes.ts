import type { FileHandle } from 'node:fs/promises'

/** What is read, and kept in memory, before it is known what will be wanted. */
const MOST_BYTES = 96 * 1024 * 1024
/** Small, and not too many at once: the index, which all the rest waits for, has to be read beside them. */
const BLOCK = 1024 * 1024
const AT_ONCE = 16

/**
 * A file from its beginning on, read while it is found out what of it is wanted, since that is bound by latency and reading by bandwidth;
 * then so much ahead of what is asked for.
 */
export class EarlyBytes {
  readonly #handle: Pick<FileHandle, 'read'>
  /** In order; a block that is not whole ends at the end of the file, or could not be read. */
  readonly #blocks: (Promise<Buffer> | undefined)[] = []
  #running = 0
  #forgotten = 0
  #isStopped = false

  constructor(handle: Pick<FileHandle, 'read'>) {
    this.#handle = handle
    this.#fill()
  }

  /** No more is begun. What is under way ends by itself, also where the file is closed. */
  stop(): void {
    this.#isStopped = true
  }

  /** These bytes, unless they can't be had here. They are asked for in order: what stands before them is forgotten. */
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
      // Behind the end, or behind a failure, there is nothing.
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
      // Whoever asks for it tries once more, and tells what is wrong.
      return Buffer.alloc(0)
    }
  }
}
