import { type ChildProcess, spawn } from 'node:child_process'
import { APART, type Crew, type CrewEvents, endedOrKilled, endOf } from './crew.ts'
import { giveOrder, strangersIn, takeAnswers } from './exchange.ts'
import type { Start } from './launcher.ts'
import { AnswerReader, encodeOrder, type Order } from './protocol.ts'

/** Milliseconds. It looks often while answers come, and rarely while none do. */
const LOOK_MS = { first: 100, growth: 1.2, most: 1000 }

/** By this, a node that waits knows that the head is alive. */
export const HEAD_BEAT_MS = 60_000

/** A crew that gets orders and answers through a folder on the shared file system. */
export class ExchangeCrew implements Crew {
  readonly #folder: string
  readonly #events: CrewEvents
  readonly #children: ChildProcess[] = []
  readonly #ended: Promise<unknown>
  readonly #reader = new AnswerReader()
  readonly #beat: NodeJS.Timeout
  #look: NodeJS.Timeout | undefined
  #waitMs = LOOK_MS.first

  constructor(starts: readonly Start[], events: CrewEvents, folder: string) {
    this.#folder = folder
    this.#events = events
    this.#beat = setInterval(() => this.#sayAlive(), HEAD_BEAT_MS)
    this.#lookLater()
    this.#ended = Promise.all(starts.map((start) => this.#begin(start))).finally(() => {
      clearInterval(this.#beat)
      clearTimeout(this.#look)
    })
  }

  #begin({ nodes, argv, env }: Start): Promise<void> {
    const [program, ...args] = argv
    const child = spawn(program, args, { env, ...APART, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#children.push(child)
    const onEnd = (said: string): void => {
      this.#take()
      const strangers = strangersIn(this.#folder)
      const others = strangers.length > 0 ? `${said}\nanswers came from ${strangers.join(', ')} only` : said
      for (const node of nodes) this.#events.onEnd(node, others)
    }
    return endOf(child, { onSaid: this.#events.onSaid, onEnd })
  }

  #lookLater(): void {
    this.#look = setTimeout(() => {
      const some = this.#take()
      this.#waitMs = some ? LOOK_MS.first : Math.min(this.#waitMs * LOOK_MS.growth, LOOK_MS.most)
      this.#lookLater()
    }, this.#waitMs)
  }

  /** If that fails, so does the next order. */
  #sayAlive(): void {
    try {
      giveOrder(this.#folder, '\n')
    } catch {}
  }

  #take(): boolean {
    const answers = takeAnswers(this.#folder)
    for (const { node, text } of answers)
      for (const line of text.split('\n')) {
        const found = this.#reader.read(line)
        if (found) this.#events.onAnswer(node, found.answer)
      }
    return answers.length > 0
  }

  send(order: Order): void {
    this.#waitMs = LOOK_MS.first
    try {
      giveOrder(this.#folder, encodeOrder(order))
    } catch (error) {
      // That is how it is understood.
      if (order.kind !== 'undo') throw error
    }
  }

  async end(patienceMs: number): Promise<void> {
    await endedOrKilled(this.#children, this.#ended, patienceMs)
  }
}
