/** Hands out a stream of bytes in the pieces that its user asks for. */
export class ByteReader {
  /** Bytes handed out so far. */
  position = 0
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** At most so many bytes, as many as are there without waiting for more. None at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next()
      if (done) return this.#rest
      this.#rest = value
    }
    const piece = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(piece.length)
    this.position += piece.length
    return piece
  }

  /** So many bytes; fewer only at the end. */
  async exactly(size: number): Promise<Buffer> {
    const first = await this.some(size)
    if (first.length === size || first.length === 0) return first
    const parts = [first]
    for (let missing = size - first.length; missing > 0; ) {
      const part = await this.some(missing)
      if (part.length === 0) break
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }

  /** Passes over so many bytes. Returns how many there were. */
  async skip(size: number): Promise<number> {
    let skipped = 0
    while (skipped < size) {
      const { length } = await this.some(size - skipped)
      if (length === 0) break
      skipped += length
    }
    return skipped
  }

  /** Ends the source, wherever it is. */
  async end(): Promise<void> {
    await this.#source.return?.()
  }
}
