import type { ListedName } from '../model/listed.ts'
import { CHUNK, PIECES_IN_FLIGHT } from './pieced-file.ts'
import { UsualSize } from './usual-size.ts'

/** Bytes that are read ahead of the consumer. Files whose reading has begun by then may exceed it. */
const AHEAD_BYTES = 16 * 1024 * 1024

/** The memory for reading ahead: how much is taken, and how much a file of unknown size will probably take. */
export class Budget {
  #taken = 0
  /** By the files' numbers. */
  readonly #shares = new Map<number, number>()
  readonly #usual = new UsualSize()

  get isExceeded(): boolean {
    return this.#taken > AHEAD_BYTES
  }

  hasRoomFor(file: ListedName): boolean {
    return this.#taken + this.guess(file) <= AHEAD_BYTES
  }

  /** The most bytes that the file will take, by what is known before it is opened. */
  guess({ recordedSize }: ListedName): number {
    return recordedSize === undefined ? this.#usual.bytes : inMemory(recordedSize)
  }

  /** Counts a file in by a guess. */
  reserve(number: number, file: ListedName): void {
    this.#set(number, this.guess(file))
  }

  /** Replaces the guess by the size. */
  correct(number: number, size: number): void {
    this.#usual.add(inMemory(size))
    this.#set(number, inMemory(size))
  }

  release(number: number): void {
    this.#set(number, 0)
    this.#shares.delete(number)
  }

  #set(number: number, bytes: number): void {
    this.#taken += bytes - (this.#shares.get(number) ?? 0)
    this.#shares.set(number, bytes)
  }
}

const inMemory = (size: number): number => Math.min(size, PIECES_IN_FLIGHT * CHUNK)
