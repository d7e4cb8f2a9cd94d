import type { FileFacts, OpenFile } from './open-file.ts'
import { SLAB, type Slabs } from './slabs.ts'

/** Size of one piece. A file up to this size is read whole. */
export const CHUNK = SLAB
/** Pieces of one file that are read at once. */
export const PIECES_IN_FLIGHT = 4

/** An open file that is read in pieces: while one is used, the next few are being read. */
export class PiecedFile {
  readonly #file: OpenFile
  readonly #slabs: Slabs
  readonly #ahead: Promise<Buffer>[] = []
  /** Bytes whose reading has begun. */
  #begun = 0
  #isClosed = false

  constructor(file: OpenFile, slabs: Slabs) {
    this.#file = file
    this.#slabs = slabs
  }

  get facts(): FileFacts {
    return this.#file.facts
  }

  get isOpen(): boolean {
    return !this.#isClosed
  }

  /**
   * All of the content, once and in order. A piece is valid until the next one is asked for. The file is closed at the end,
   * or when the consumer leaves.
   * @throws StageError UNREADABLE, CHANGED
   */
  async *pieces(): AsyncGenerator<Buffer> {
    const { size } = this.facts
    try {
      for (let done = 0; done < size; ) {
        this.readAhead()
        const piece = await (this.#ahead.shift() as Promise<Buffer>)
        done += piece.length
        if (done === size) await this.#file.assertUnchanged()
        yield piece
        this.#slabs.release(piece)
      }
    } finally {
      await this.close()
    }
  }

  /** Begins to read the first pieces before `pieces` is asked for them. */
  readAhead(): void {
    if (this.#isClosed) throw new Error(`${this.#file.path} was closed before its content was consumed`)
    for (; this.#begun < this.facts.size && this.#ahead.length < PIECES_IN_FLIGHT; this.#begun += CHUNK) {
      const piece = this.#read(this.#begun)
      // Whoever comes to this piece gets the failure; until then it must not count as unhandled.
      piece.catch(() => {})
      this.#ahead.push(piece)
    }
  }

  async #read(position: number): Promise<Buffer> {
    const piece = this.#slabs.allocate(Math.min(CHUNK, this.facts.size - position))
    await this.#file.readPiece(piece, position)
    return piece
  }

  /** Waits for reads that are under way. May be called more than once. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#ahead)
    // Closed twice, the descriptor could be another file's by then.
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#file.close()
  }
}
