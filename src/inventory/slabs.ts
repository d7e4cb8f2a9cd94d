/** Bytes of a slab: the largest piece that is asked for. */
export const SLAB = 1024 * 1024
/** Slabs kept for later use beyond those in use. */
const SPARE = 16

/**
 * Memory for contents, cut from slabs that are used again. Fresh memory for each of 30,000 files costs more than reading them: page faults,
 * and a garbage collector that is kept busy by memory which it does not own.
 */
export class Slabs {
  #current: ArrayBuffer = new ArrayBuffer(SLAB)
  #used = 0
  readonly #spare: ArrayBuffer[] = []
  /** How many buffers of each slab are in use. */
  readonly #inUse = new Map<ArrayBufferLike, number>()

  /** @param length at most SLAB */
  allocate(length: number): Buffer<ArrayBuffer> {
    if (length > SLAB - this.#used) this.#next()
    const buffer = Buffer.from(this.#current, this.#used, length)
    this.#used += length
    if (length > 0) this.#inUse.set(this.#current, (this.#inUse.get(this.#current) ?? 0) + 1)
    return buffer
  }

  /** The buffer, or a part of it, is not looked at any more; to be called once for each that was allocated. */
  release({ buffer, length }: Buffer): void {
    const others = (this.#inUse.get(buffer) ?? 0) - 1
    if (length === 0 || others < 0) return
    if (others > 0) this.#inUse.set(buffer, others)
    else {
      this.#inUse.delete(buffer)
      if (buffer === this.#current) this.#used = 0
      else if (this.#spare.length < SPARE) this.#spare.push(buffer as ArrayBuffer)
    }
  }

  #next(): void {
    // One that is in use comes back by itself.
    if (!this.#inUse.has(this.#current)) this.#spare.push(this.#current)
    this.#current = this.#spare.pop() ?? new ArrayBuffer(SLAB)
    this.#used = 0
  }
}
