import { type ChildProcessByStdio, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Start } from './launcher.ts'
import { type Answer, AnswerReader, encodeOrder, type Order } from './protocol.ts'

/** Our processes on several nodes. */
export interface Crew {
  send(order: Order): void
  /** Where orders for this node alone are written to. Only if it has a process of the launcher for itself. */
  inputOf?(node: string): Writable | undefined
  /** Nothing more is wanted of a node. */
  giveUp?(node: string): void
  /** Resolves when the launcher has ended. One that does not do so in time is killed: each node then notices that the head is gone. */
  end(patienceMs: number): Promise<void>
}

export interface CrewEvents {
  onAnswer(node: string, answer: Answer): void
  /** The launcher wrote this for people. */
  onSaid(line: string): void
  /** Its process has ended, and nothing more comes from it. `said`: what the launcher wrote for people. */
  onEnd(node: string, said: string): void
}

/** So much of what a launcher writes for people is kept for messages. */
const MOST_SAID = 4000

/** A crew that gets orders through standard input, and answers through standard output. */
export class PipedCrew implements Crew {
  readonly #children: ChildProcessWithoutNullStreams[] = []
  readonly #own = new Map<string, ChildProcessWithoutNullStreams>()
  readonly #ended: Promise<unknown>

  constructor(starts: readonly Start[], events: CrewEvents) {
    this.#ended = Promise.all(starts.map((start) => this.#begin(start, events)))
  }

  #begin({ nodes, argv, env }: Start, { onAnswer, onSaid, onEnd }: CrewEvents): Promise<void> {
    const [program, ...args] = argv
    const child = spawn(program, args, { env, ...APART, stdio: 'pipe' })
    this.#children.push(child)
    if (nodes.length === 1) this.#own.set(nodes[0]!, child)
    const reader = new AnswerReader()
    const named = namesOf(nodes)
    byLine(child.stdout, (line) => {
      const found = reader.read(line)
      const node = found && (nodes.length === 1 ? nodes[0] : named(found.node))
      if (node !== undefined) onAnswer(node, found!.answer)
    })
    // A launcher that has ended is reported by 'close'.
    child.stdin.on('error', () => {})
    return endOf(child, {
      onSaid,
      onEnd: (said) => {
        for (const node of nodes) onEnd(node, said)
      },
    })
  }

  send(order: Order): void {
    const line = encodeOrder(order)
    for (const { stdin } of this.#children) if (stdin.writable) stdin.write(line)
  }

  inputOf(node: string): Writable | undefined {
    return this.#own.get(node)?.stdin
  }

  /** If it is alive, it notices the end of its input. */
  giveUp(node: string): void {
    this.#own.get(node)?.kill('SIGKILL')
  }

  async end(patienceMs: number): Promise<void> {
    for (const { stdin } of this.#children) stdin.end()
    await endedOrKilled(this.#children, this.#ended, patienceMs)
  }
}

/** A session of its own: Ctrl-C must reach us alone, so that each node can be told to take back what it did. */
export const APART = { cwd: '/', detached: true } as const

/**
 * Resolves when a launcher has ended, or could not be started.
 * @param listeners `onSaid`: gets each line that it writes for people; `onEnd`: all of them in the end
 */
export function endOf(
  child: ChildProcessByStdio<Writable | null, Readable | null, Readable>,
  { onSaid, onEnd }: { onSaid(line: string): void; onEnd(said: string): void },
): Promise<void> {
  let said = ''
  byLine(child.stderr, (line) => {
    said = `${said}${line}\n`.slice(-MOST_SAID)
    onSaid(line)
  })
  return new Promise((resolve) => {
    const end = (): void => {
      onEnd(said.trim())
      resolve()
    }
    child.on('close', end).on('error', (error) => {
      said += error.message
      if (child.pid === undefined) end()
    })
  })
}

export async function endedOrKilled(
  children: readonly { kill(signal: 'SIGKILL'): unknown }[],
  ended: Promise<unknown>,
  patienceMs: number,
): Promise<void> {
  const kill = setTimeout(() => {
    for (const child of children) child.kill('SIGKILL')
  }, patienceMs)
  await ended
  clearTimeout(kill)
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
export function namesOf(nodes: readonly string[]): (name: string) => string | undefined {
  const known = new Map(nodes.map((node) => [firstPart(node), node]))
  return (name) => (nodes.includes(name) ? name : known.get(firstPart(name)))
}

const firstPart = (name: string): string => name.split('.')[0]!
