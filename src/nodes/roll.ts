import type { Variables } from '../platform/job.ts'
import { type Crew, type CrewEvents, PipedCrew } from './crew.ts'
import { makeExchange, removeExchange } from './exchange.ts'
import { ExchangeCrew } from './exchange-crew.ts'
import type { Launcher } from './launcher.ts'
import { pour } from './pour.ts'
import { type Answer, encodeOrder, type NodeFailure, type Order } from './protocol.ts'

/**
 * - called: its process was started and has not answered
 * - has: it has the copy, and a lease of it
 * - needs: it waits for the archive
 * - left: it has given back what it had
 */
export type NodeState = 'called' | 'has' | 'needs' | 'left' | 'failed'

interface Node {
  state: NodeState
  failure?: NodeFailure
  step?: string
  progress?: Progress
  /** Seconds without a word. */
  silence: number
  crew?: Crew
}

type Progress = Extract<Answer, { kind: 'progress' }>

export interface Caller {
  launcher: Launcher
  /** Our program, as it is found on the nodes, too. */
  program: string
  env: Variables
}

export interface RollListeners {
  onNote(node: string, note: Extract<Answer, { message: string }>): void
  /** A launcher wrote this for people. */
  onSaid(line: string): void
  /** The sum of all nodes. */
  onProgress(sum: Progress): void
}

/** Milliseconds. */
const TICK_MS = 1000
/** A living node says something every few seconds. */
const SILENCE_S = 45
/** A scheduler may take its time to start a step on many nodes. */
const START_S = 180
/** Removing a large copy takes its time. */
const END_MS = 30_000

/** The nodes of a call, and what became of each. Nodes that fall silent have failed. */
export class Roll {
  readonly #nodes = new Map<string, Node>()
  readonly #crews: Crew[] = []
  readonly #caller: Caller
  /** A folder to speak through, if the launcher passes no standard streams. */
  readonly #exchange: string | undefined
  readonly #timer: NodeJS.Timeout
  #changed: () => void = () => {}
  readonly #listeners: RollListeners

  /** @throws StageError NODES_FAILED */
  constructor(names: readonly string[], caller: Caller, listeners: RollListeners) {
    this.#caller = caller
    if (caller.launcher.transfer === 'shared') this.#exchange = makeExchange(names, caller.env)
    for (const name of names) this.#nodes.set(name, { state: 'called', silence: 0 })
    this.#listeners = listeners
    // Our own seconds: if the job is suspended, they stand still with the nodes.
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  names(...states: NodeState[]): string[] {
    return [...this.#nodes].filter(([, { state }]) => states.includes(state)).map(([name]) => name)
  }

  failures(): [node: string, failure: NodeFailure][] {
    return [...this.#nodes].flatMap(([name, { failure }]) =>
      failure ? [[name, failure] as [string, NodeFailure]] : [],
    )
  }

  /** Of the first that told one. */
  step(): string | undefined {
    return [...this.#nodes.values()].findLast(({ step }) => step !== undefined)?.step
  }

  /** Starts our process on nodes, and gives them an order. */
  call(names: readonly string[], order: Order): void {
    const { launcher, program } = this.#caller
    const exchange = this.#exchange
    const starts = launcher.commands(names, [program, exchange === undefined ? '--on-node' : `--on-node=${exchange}`])
    const events: CrewEvents = {
      onAnswer: (name, answer) => this.#take(name, answer, crew),
      onSaid: (line) => {
        this.#listeners.onSaid(line)
        for (const name of launcher.lost?.(line) ?? []) this.#end(name, line, crew)
      },
      onEnd: (name, said) => this.#end(name, said, crew),
    }
    const crew: Crew =
      exchange === undefined ? new PipedCrew(starts, events) : new ExchangeCrew(starts, events, exchange)
    this.#crews.push(crew)
    for (const name of names)
      Object.assign(this.#nodes.get(name)!, { state: 'called', silence: 0, step: undefined, crew })
    crew.send(order)
  }

  /** To the nodes that were called last, or to all. */
  send(order: Order, { toAll = false } = {}): void {
    for (const crew of toAll ? this.#crews : this.#crews.slice(-1)) crew.send(order)
  }

  /**
   * Writes a file to the standard input of these nodes' processes, behind an order.
   * @throws StageError as pour()
   */
  async pour(
    names: readonly string[],
    order: Order,
    file: Parameters<typeof pour>[0],
    options: Parameters<typeof pour>[2],
  ): Promise<void> {
    const inputs = names
      .map((name) => this.#nodes.get(name)?.crew?.inputOf?.(name))
      .filter((input) => input !== undefined)
    for (const input of inputs) input.write(encodeOrder(order))
    await pour(file, inputs, options)
  }

  fail(name: string, failure: NodeFailure): void {
    const node = this.#nodes.get(name)
    if (node && node.state !== 'failed') Object.assign(node, { state: 'failed', failure })
    this.#changed()
  }

  /** Resolves when no node is in one of these states any more. */
  async until(states: readonly NodeState[], signal?: AbortSignal): Promise<void> {
    while (this.names(...states).length > 0 && !signal?.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#changed = resolve
      signal?.addEventListener('abort', () => resolve(), { once: true })
      await promise
    }
    signal?.throwIfAborted()
  }

  /** Ends all that still runs. */
  async end(): Promise<void> {
    await Promise.all(this.#crews.map((crew) => crew.end(END_MS)))
    clearInterval(this.#timer)
    if (this.#exchange !== undefined) removeExchange(this.#exchange)
  }

  #take(name: string, answer: Answer, crew: Crew): void {
    const node = this.#nodes.get(name)
    if (node === undefined || node.crew !== crew) return
    node.silence = 0
    switch (answer.kind) {
      case 'beat':
        return
      case 'hello':
        if (node.state === 'called') Object.assign(node, { state: answer.state, step: answer.step })
        break
      case 'progress':
        node.progress = answer
        this.#listeners.onProgress(this.#sum())
        return
      case 'done':
        if (node.state !== 'failed') node.state = 'has'
        break
      case 'left':
        if (node.state !== 'failed') node.state = 'left'
        break
      case 'failed':
        this.fail(name, answer.error)
        break
      default:
        this.#listeners.onNote(name, answer)
        return
    }
    this.#changed()
  }

  #end(name: string, said: string, crew: Crew): void {
    const node = this.#nodes.get(name)
    if (node === undefined || node.crew !== crew) return
    if (node.state === 'called' || node.state === 'needs') {
      const lines = said.split('\n')
      const why = lines.findLast((line) => line.includes(name)) ?? lines.at(-1)
      const what = node.state === 'called' ? 'conda-stage did not start there' : 'its process ended'
      this.fail(name, { code: 'NODES_FAILED', message: why ? `${what}: ${why}` : what })
    }
    this.#changed()
  }

  #tick(): void {
    for (const [name, node] of this.#nodes) {
      if (node.state !== 'called' && node.state !== 'needs') continue
      node.silence++
      const patience = node.state === 'called' ? START_S : SILENCE_S
      if (node.silence <= patience) continue
      this.fail(name, { code: 'NODES_FAILED', message: `it has not answered for ${patience} seconds` })
      node.crew?.giveUp?.(name)
    }
  }

  #sum(): Progress {
    const sum = { kind: 'progress' as const, files: 0, totalFiles: 0, bytes: 0, totalBytes: 0 }
    for (const { progress } of this.#nodes.values()) {
      sum.files += progress?.files ?? 0
      sum.totalFiles += progress?.totalFiles ?? 0
      sum.bytes += progress?.bytes ?? 0
      sum.totalBytes += progress?.totalBytes ?? 0
    }
    return sum
  }
}
