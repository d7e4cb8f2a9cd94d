/** A call that takes longer than this is worth a thread of the pool, with others going on beside it. Milliseconds. */
const QUICK_MS = 0.3
/** So many slow calls in a row, and the file system counts as slow. On busy CPUs now and then a call is interrupted. */
export const SLOW_CALLS = 8
/** What a quick call makes good of a slow one. */
const CREDIT = 0.5

/**
 * Finds out how fast a file system answers, by the calls that are made anyway. A synchronous call takes a fifth of the
 * work of one in the pool, but it waits alone: right from local disk and page cache, wrong from a network.
 */
export class Pace {
  #slowCalls = 0

  get isQuick(): boolean {
    return this.#slowCalls < SLOW_CALLS
  }

  /** Makes a synchronous call. `quickMs`: what it may take, where it is more than a look-up; asked for afterwards. */
  measure<T>(call: () => T, quickMs: () => number = () => QUICK_MS): T {
    const started = performance.now()
    const result = call()
    const isSlow = performance.now() - started > quickMs()
    this.#slowCalls = Math.max(0, this.#slowCalls + (isSlow ? 1 : -CREDIT))
    return result
  }
}
