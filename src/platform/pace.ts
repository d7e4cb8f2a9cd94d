import { monotonicMs } from './clock.ts'

/** A call that takes longer is worth a thread of the pool, so that others can go on beside it. Milliseconds. */
const QUICK_MS = 0.3
/** To the pool and back, on busy CPUs. */
const POOL_MS = 0.3
/** A file system counts as slow after this many slow calls in a row. On busy CPUs a call is interrupted now and then. */
export const SLOW_CALLS = 8
/** How much of a slow call one quick call makes up for. */
const CREDIT = 0.5

/**
 * Finds out how fast a file system answers, from calls that are made anyway. A synchronous call takes a fifth of the CPU
 * time of one in the pool, but nothing runs beside it: right for local disk and page cache, wrong for a network.
 */
export class Pace {
  readonly #mayHang: boolean
  #slowCalls = 0

  /** @param options.mayHang the file system is on a server, see `mayHang` */
  constructor({ mayHang = false }: { mayHang?: boolean | undefined } = {}) {
    this.#mayHang = mayHang
  }

  get isQuick(): boolean {
    return this.#slowCalls < SLOW_CALLS
  }

  /**
   * Whether the main thread may make calls itself. While it waits for one, no signal gets through: a server that answers at once
   * may be the one that never answers the next time.
   */
  get isImmediate(): boolean {
    return this.isQuick && !this.#mayHang
  }

  /**
   * Makes a synchronous call.
   * @param quickMs how long a quick call with this result may take; the default is for a look-up
   */
  measure<T>(call: () => T, quickMs: (result: T) => number = () => QUICK_MS): T {
    const started = monotonicMs()
    const result = call()
    this.#count(monotonicMs() - started > quickMs(result))
    return result
  }

  /** The same with several calls in the pool, one after another. */
  async measureCalls<T>(calls: number, body: () => Promise<T>, quickMs: (result: T) => number): Promise<T> {
    const started = monotonicMs()
    const result = await body()
    this.#count(monotonicMs() - started > quickMs(result) + calls * POOL_MS)
    return result
  }

  #count(isSlow: boolean): void {
    this.#slowCalls = Math.max(0, this.#slowCalls + (isSlow ? 1 : -CREDIT))
  }
}
