import { read } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { asLocalFailure } from '../stage/failure.ts'
import type { Channel } from './channel.ts'
import { type Answer, decodeOrder, encodeAnswer, type Order } from './protocol.ts'

const readFrom = promisify(read)
const BLOCK = 64 * 1024

interface Streams {
  /** Descriptor of what the head writes. */
  input: number
  write(text: string): void
  signal: AbortSignal
}

/** Through standard input and standard output. */
export class PipedChannel implements Channel {
  readonly beatMs = 5000
  readonly node: string
  readonly #descriptor: number
  readonly #write: (text: string) => void
  readonly #stopped: Promise<undefined>
  #ahead: Buffer = Buffer.alloc(0)

  constructor(node: string, { input, write, signal }: Streams) {
    this.node = node
    this.#descriptor = input
    this.#write = write
    this.#stopped = new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
  }

  answer(answer: Answer): void {
    this.#write(encodeAnswer(this.node, answer))
  }

  /** Lines that are none of ours are passed over: launchers may write some. */
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

  async receive(path: string, size: number): Promise<boolean> {
    try {
      const file = await open(path, 'wx', 0o600)
      try {
        for (let left = size; left > 0; ) {
          const block = this.#ahead.length > 0 ? this.#ahead : await Promise.race([this.#read(), this.#stopped])
          if (block === undefined || block.length === 0) return false
          const part = block.subarray(0, left)
          await file.writeFile(part)
          this.#ahead = block.subarray(part.length)
          left -= part.length
        }
        return true
      } finally {
        await file.close()
      }
    } catch (error) {
      throw asLocalFailure(error, dirname(path))
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
