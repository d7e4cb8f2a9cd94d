import type { BytePath } from '../model/byte-path.ts'
import { monotonicMs } from '../platform/clock.ts'

/** Shorter than the time for which file systems let the kernel remember a name, which is half a second or more. */
const WARM_MS = 250

interface Warm {
  until: number
  /** Set while the first call into the folder is under way. */
  first?: Promise<unknown> | undefined
}

/**
 * Lets one call go ahead of the others into a folder. If the kernel has forgotten the folder's name, each call into it looks
 * that up for itself; with 64 calls in flight the look-ups nearly doubled.
 */
export class WarmFolders {
  readonly #folders = new Map<BytePath, Warm>()

  /** Makes a call that takes the path of something in the folder. */
  async into<T>(folder: BytePath, call: () => Promise<T>): Promise<T> {
    const known = this.#folders.get(folder)
    if (known?.first) await known.first
    else if (!known || monotonicMs() > known.until) return await this.#goAhead(folder, call)
    return await call()
  }

  async #goAhead<T>(folder: BytePath, call: () => Promise<T>): Promise<T> {
    const result = call()
    // Even if it fails: those that wait make their own call then.
    const warm: Warm = { until: 0, first: result.catch(() => {}) }
    this.#folders.set(folder, warm)
    try {
      return await result
    } finally {
      warm.first = undefined
      warm.until = monotonicMs() + WARM_MS
    }
  }
}
