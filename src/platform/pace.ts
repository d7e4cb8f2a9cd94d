/** A call that takes longer is worth a thread of the pool, so that others can go on beside it. Milliseconds. */
const QUICK_MS = 0.3
/** A file system counts as slow after this many slow calls in a row. On busy CPUs a call is interrupted now and then. */
export const SLOW_CALLS = 8
/** How much of a slow call one quick call makes up for. */
const CREDIT = 0.5

/**
 * Finds out how fast a file system answers, from calls that are made anyway. A synchronous call takes a fifth of the CPU
 * time of one in the pool, but nothing runs beside it: right for local disk and page cache, wrong for a network.
 */
export class Pace {
  #slowCalls = 0

  get isQuick(): boolean {
    return this.#slowCalls < SLOW_CALLS
  }

  /**
   * Makes a synchronous call.
   * @param quickMs how long a quick call with this result may take; the default is for a look-up
   */
  measure<T>(call: () => T, quickMs: (result: T) => number = () => QUICK_MS): T {
    const started = performance.now()
    const result = call()
    const isSlow = performance.now() - started > quickMs(result)
    this.#slowCalls = Math.max(0, this.#slowCalls + (isSlow ? 1 : -CREDIT))
    return result
  }
}
