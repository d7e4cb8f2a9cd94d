import type { Tables } from './tables.ts'
import { check } from './tables.ts'
import type { ImageFile } from './tree.ts'

/** Files that are read one after another often end in the same few blocks. */
const KEPT_FRAGMENTS = 8

/** Reads the contents of an image's files. */
export class ImageContents {
  readonly #tables: Tables
  readonly #fragments = new Map<number, Buffer>()

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** Where the content begins in the image: files read in this order are read from front to back. */
  placeOf({ blocks, tail }: ImageFile): number {
    const first = blocks.find((block) => block !== undefined)
    return first?.start ?? (tail === undefined ? 0 : this.#tables.fragment(tail.fragment).start)
  }

  /** @throws Malformed; what reading the file throws */
  async *of({ size, blocks, tail }: ImageFile): AsyncGenerator<Buffer> {
    const { blockSize } = this.#tables
    for (const [at, block] of blocks.entries()) {
      const length = Math.min(blockSize, size - at * blockSize)
      const content = block === undefined ? Buffer.alloc(length) : await this.#tables.unpacked(block)
      check(content.length === length, 'a block does not have the size of its part')
      yield content
    }
    if (tail === undefined) return
    const length = size - blocks.length * blockSize
    const content = (await this.#fragment(tail.fragment)).subarray(tail.offset, tail.offset + length)
    check(content.length === length, 'a fragment is shorter than the files in it')
    if (length > 0) yield content
  }

  async #fragment(number: number): Promise<Buffer> {
    const content = this.#fragments.get(number) ?? (await this.#tables.unpacked(this.#tables.fragment(number)))
    this.#fragments.delete(number)
    this.#fragments.set(number, content)
    if (this.#fragments.size > KEPT_FRAGMENTS) this.#fragments.delete(this.#fragments.keys().next().value!)
    return content
  }
}
