/** Bytes of a slab, and of the largest buffer that is cut from one. */
export const SLAB = 1024 * 1024
/** Unused slabs that are kept for later. */
const SPARE = 16

/**
 * Memory for contents, cut from slabs that are reused. Fresh memory for each of 30,000 files costs more than reading them, in
 * page faults and in a garbage collector that is kept busy by memory outside its heap.
 */
export class Slabs {
  #current: ArrayBuffer = new ArrayBuffer(SLAB)
  #used = 0
  readonly #spare: ArrayBuffer[] = []
  /** Buffers in use, by slab. */
  readonly #inUse = new Map<ArrayBufferLike, number>()

  /** @param length at most SLAB */
  allocate(length: number): Buffer<ArrayBuffer> {
    if (length > SLAB - this.#used) this.#next()
    const buffer = Buffer.from(this.#current, this.#used, length)
    this.#used += length
    if (length > 0) this.#inUse.set(this.#current, (this.#inUse.get(this.#current) ?? 0) + 1)
    return buffer
  }

  /** Takes back a buffer, or a part of one, that nobody looks at any more. To be called once for each that was allocated. */
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
    // A slab in use comes back with its last buffer.
    if (!this.#inUse.has(this.#current)) this.#spare.push(this.#current)
    this.#current = this.#spare.pop() ?? new ArrayBuffer(SLAB)
    this.#used = 0
  }
}
