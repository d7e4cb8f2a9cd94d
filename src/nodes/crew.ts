import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { Start } from './launcher.ts'
import { type Answer, AnswerReader, encodeOrder, type Order } from './protocol.ts'

export interface CrewEvents {
  onAnswer(node: string, answer: Answer): void
  /** The launcher wrote this for people. */
  onSaid(line: string): void
  /** Its process has ended, and nothing more comes from it. `said`: what the launcher wrote for people. */
  onEnd(node: string, said: string): void
}

/** So much of what a launcher writes for people is kept for messages. */
const MOST_SAID = 4000

/** Our processes on several nodes. */
export class Crew {
  readonly #children: ChildProcessWithoutNullStreams[] = []
  readonly #ended: Promise<unknown>

  constructor(starts: readonly Start[], events: CrewEvents) {
    this.#ended = Promise.all(starts.map((start) => this.#begin(start, events)))
  }

  #begin({ nodes, argv, env }: Start, { onAnswer, onSaid, onEnd }: CrewEvents): Promise<void> {
    const [program, ...args] = argv
    // In a session of its own: Ctrl-C must reach us alone, so that each node can be told to take back what it did.
    const child = spawn(program, args, { env, cwd: '/', detached: true, stdio: 'pipe' })
    this.#children.push(child)
    const reader = new AnswerReader()
    const named = namesOf(nodes)
    let said = ''
    byLine(child.stdout, (line) => {
      const found = reader.read(line)
      const node = found && (nodes.length === 1 ? nodes[0] : named(found.node))
      if (node !== undefined) onAnswer(node, found!.answer)
    })
    byLine(child.stderr, (line) => {
      said = `${said}${line}\n`.slice(-MOST_SAID)
      onSaid(line)
    })
    // A launcher that has ended is reported by 'close'.
    child.stdin.on('error', () => {})
    return new Promise((resolve) => {
      const end = (): void => {
        for (const node of nodes) onEnd(node, said.trim())
        resolve()
      }
      child.on('close', end).on('error', (error) => {
        said += error.message
        if (child.pid === undefined) end()
      })
    })
  }

  send(order: Order): void {
    const line = encodeOrder(order)
    for (const { stdin } of this.#children) if (stdin.writable) stdin.write(line)
  }

  /** Resolves when the launcher has ended. One that does not do so in time is killed: each node then notices the end of its input. */
  async end(patienceMs: number): Promise<void> {
    for (const { stdin } of this.#children) stdin.end()
    const kill = setTimeout(() => {
      for (const child of this.#children) child.kill('SIGKILL')
    }, patienceMs)
    await this.#ended
    clearTimeout(kill)
  }
}

function byLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) take(line)
  })
  stream.on('error', () => {})
}

/** A node may call itself by its whole name, or by the first part of it. */
function namesOf(nodes: readonly string[]): (name: string) => string | undefined {
  const known = new Map(nodes.map((node) => [firstPart(node), node]))
  return (name) => (nodes.includes(name) ? name : known.get(firstPart(name)))
}

const firstPart = (name: string): string => name.split('.')[0]!
