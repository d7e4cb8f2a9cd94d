import type { BytePath } from '../model/byte-path.ts'

/** Below the time for which file systems let the kernel remember a name: half a second and more. */
const WARM_MS = 250

interface Warm {
  until: number
  /** While the first call into the folder is under way. */
  first?: Promise<unknown> | undefined
}

/**
 * Keeps files that are opened at once in one folder from asking for that folder once each: where the kernel has forgotten a
 * name, each of those calls looks it up for itself, which at 64 in flight nearly doubles the look-ups. So one call goes ahead.
 */
export class WarmFolders {
  readonly #folders = new Map<BytePath, Warm>()

  /** Makes a call with the path of something in the folder. */
  async into<T>(folder: BytePath, call: () => Promise<T>): Promise<T> {
    const known = this.#folders.get(folder)
    if (known?.first) await known.first
    else if (!known || performance.now() > known.until) return await this.#goAhead(folder, call)
    return await call()
  }

  async #goAhead<T>(folder: BytePath, call: () => Promise<T>): Promise<T> {
    const result = call()
    // Whatever comes of it: those that wait make their own call then.
    const warm: Warm = { until: 0, first: result.catch(() => {}) }
    this.#folders.set(folder, warm)
    try {
      return await result
    } finally {
      warm.first = undefined
      warm.until = performance.now() + WARM_MS
    }
  }
}
