/** Bytes of a file before any has been read. */
const FIRST_GUESS = 16 * 1024

/** How large a file of unknown size probably is: the average of those that were read so far. */
export class UsualSize {
  #files = 1
  #bytes = FIRST_GUESS

  get bytes(): number {
    return this.#bytes / this.#files
  }

  add(bytes: number): void {
    this.#files++
    this.#bytes += bytes
  }
}
