import { lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from '../platform/errno.ts'
import type { Channel } from './channel.ts'
import { namesOf } from './crew.ts'
import { ANSWERS, CLAIMS, NODES, ORDERS, STRANGERS } from './exchange.ts'
import { HEAD_BEAT_MS } from './exchange-crew.ts'
import { type Answer, decodeOrder, encodeAnswer, type Order } from './protocol.ts'

/** Milliseconds. 1,000 nodes that wait for the slowest then open 500 files a second. */
const LOOK_MS = { first: 100, growth: 1.3, most: 2000 }

/** A head that says nothing for so long is gone. */
const HEAD_SILENCE_MS = 5 * HEAD_BEAT_MS

/**
 * Speaks for this node in a folder of the head's. undefined: there is nothing to do, because this is none of the nodes, or another
 * process speaks for it: pbsdsh starts several.
 * @param host what this machine calls itself
 * @throws if the folder is not the user's own
 */
export function joinExchange(
  folder: string,
  { host, uid, signal }: { host: string; uid: number; signal: AbortSignal },
): Channel | undefined {
  const facts = lstatSync(folder)
  if (!facts.isDirectory() || facts.uid !== uid || (facts.mode & 0o077) !== 0)
    throw new Error(`${folder} is open to others`)
  const node = namesOf(JSON.parse(readFileSync(`${folder}/${NODES}`, 'utf8')) as string[])(host)
  if (!claim(node === undefined ? `${folder}/${STRANGERS}/${host}` : `${folder}/${CLAIMS}/${node}`)) return undefined
  return node === undefined ? undefined : new ExchangeChannel(folder, node, signal)
}

/** Of all that try, one succeeds, on network file systems, too. */
function claim(path: string): boolean {
  try {
    mkdirSync(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

class ExchangeChannel implements Channel {
  /** Progress goes along: each answer is a new file. */
  readonly beatMs = 10_000
  readonly node: string
  readonly #folder: string
  readonly #signal: AbortSignal
  #read = 0
  #given = 0
  #progress: Answer | undefined
  /** It can't be answered, so it is as good as gone. */
  #isLost = false

  constructor(folder: string, node: string, signal: AbortSignal) {
    this.#signal = signal
    this.#folder = folder
    this.node = node
  }

  async next(): Promise<Order | undefined> {
    let silence = 0
    for (let wait = LOOK_MS.first; silence < HEAD_SILENCE_MS && !this.#isLost && !this.#signal.aborted; ) {
      const line = this.#line()
      if (line === undefined) return undefined
      if (line !== '') {
        silence = 0
        const order = orderOf(line)
        if (order) return order
        continue
      }
      // Nodes that were started together must not all ask at the same moment.
      const now = wait * (0.75 + Math.random() / 2)
      await sleep(now, undefined, { signal: this.#signal }).catch(() => {})
      silence += now
      wait = Math.min(wait * LOOK_MS.growth, LOOK_MS.most)
    }
    return undefined
  }

  /** The next one, with its end; empty if there is none yet, undefined if the folder is gone. */
  #line(): string | undefined {
    try {
      const text = readFileSync(`${this.#folder}/${ORDERS}`, 'latin1')
      const end = text.indexOf('\n', this.#read) + 1
      if (end === 0) return ''
      const line = text.slice(this.#read, end)
      this.#read = end
      return Buffer.from(line, 'latin1').toString()
    } catch (error) {
      return ['ENOENT', 'ESTALE', 'ENOTDIR'].includes(errnoOf(error) ?? '') ? undefined : ''
    }
  }

  answer(answer: Answer): void {
    if (answer.kind === 'progress') {
      this.#progress = answer
      return
    }
    const said = answer.kind === 'beat' ? (this.#progress ?? answer) : answer
    this.#progress = undefined
    // In the order of their names.
    const name = `${this.node}.${`${this.#given++}`.padStart(8, '0')}`
    try {
      writeFileSync(`${this.#folder}/${name}`, encodeAnswer(this.node, said))
      renameSync(`${this.#folder}/${name}`, `${this.#folder}/${ANSWERS}/${name}`)
    } catch {
      this.#isLost = true
    }
  }
}

function orderOf(line: string): Order | undefined {
  try {
    return decodeOrder(line)
  } catch {
    return undefined // a sign of life
  }
}
