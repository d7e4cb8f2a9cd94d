import { SLOW } from './layout.ts'
import { mountSlow, type SlowMount } from './slowfs/mount.ts'

export type Counters = Record<string, number>

/** Milliseconds for each look-up, and 10^6 bytes a second. */
export interface Slowness {
  latencyMs: number
  bandwidthMb: number
}

/** Mounts SLOW over itself: nothing of it is in the kernel's caches when the body begins. */
export async function slowly<T>(slowness: Slowness, body: (mount: SlowMount) => Promise<T>): Promise<T> {
  const mount = await mountSlow(SLOW, SLOW, slowness)
  try {
    return await body(mount)
  } finally {
    await mount.unmount()
  }
}

/** The requests that wait: on a network file system, and in slowfs. */
export function operations({ lookup = 0, getattr = 0, open = 0, opendir = 0, fstat = 0, close = 0 }: Counters): number {
  return lookup + getattr + open + opendir + fstat + close
}
