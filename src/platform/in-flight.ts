import { openAtOnce } from './limits.ts'

/**
 * Runs `step` on everything in `pending`, at most `limit` at a time, last first. A step may add to `pending`.
 * After a failure no further step begins; once the running ones have ended, the first failure is thrown.
 */
export function drain<T>(pending: T[], limit: number, step: (item: T) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let running = 0
    let failure: { error: unknown } | undefined
    const next = (): void => {
      while (failure === undefined && running < limit && pending.length > 0) {
        running++
        step(pending.pop() as T)
          .catch((error: unknown) => {
            failure ??= { error }
          })
          .then(() => {
            running--
            next()
          })
      }
      if (running > 0) return
      if (failure === undefined) resolve()
      else reject(failure.error)
    }
    next()
  })
}

/** How many look-ups or reads wait for a network file system at once; more hides little more latency. */
export const IN_FLIGHT = openAtOnce(128)
