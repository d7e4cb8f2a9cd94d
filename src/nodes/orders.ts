import { read } from 'node:fs'
import { promisify } from 'node:util'
import { decodeOrder, type Order } from './protocol.ts'

const readFrom = promisify(read)
const BLOCK = 64 * 1024

/** What the head writes to a node's standard input. */
export class Orders {
  readonly #descriptor: number
  readonly #stopped: Promise<undefined>
  #ahead = Buffer.alloc(0)

  constructor(descriptor: number, signal: AbortSignal) {
    this.#descriptor = descriptor
    this.#stopped = new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
  }

  /**
   * undefined: the head is gone, or this node is told to stop: nothing more is read then. Lines that are none of ours are passed
   * over: launchers may write some.
   */
  async next(): Promise<Order | undefined> {
    for (;;) {
      const line = await Promise.race([this.#line(), this.#stopped])
      if (line === undefined) return undefined
      try {
        return decodeOrder(line)
      } catch {
        // not ours
      }
    }
  }

  async #line(): Promise<string | undefined> {
    let from = 0
    for (;;) {
      const end = this.#ahead.indexOf(10, from)
      if (end >= 0) {
        const line = this.#ahead.toString('utf8', 0, end)
        this.#ahead = this.#ahead.subarray(end + 1)
        return line
      }
      from = this.#ahead.length
      const more = await this.#read()
      if (more.length === 0) return undefined
      this.#ahead = Buffer.concat([this.#ahead, more])
    }
  }

  /** Empty at the end, and if the other end has broken. */
  async #read(): Promise<Buffer> {
    const block = Buffer.allocUnsafe(BLOCK)
    const { bytesRead } = await readFrom(this.#descriptor, block, 0, BLOCK, null).catch(() => ({ bytesRead: 0 }))
    return block.subarray(0, bytesRead)
  }
}
