import { setTimeout as sleep } from 'node:timers/promises'
import type { BytePath } from '../model/byte-path.ts'
import type { Listed } from '../model/listed.ts'

/** Longer than the clock tick (10 ms at most) with which Linux stamps files. */
const TICK_MS = 20
/** A file system that keeps whole seconds (Lustre, NFS over some servers). */
const SECOND_MS = 1000
/** Stamps further in the future than this were set by hand; no clock is that wrong. */
const SKEW_MS = 60_000

/**
 * Waits until a change from now on must show as another mtime. A file that is read within the clock tick of its last
 * change could change once more with the same mtime and size, and the archive would look fresh for ever.
 * Nearly always this waits for nothing.
 */
export async function settled(mtimeNs: bigint): Promise<void> {
  const wait = settleTime(mtimeNs, Date.now())
  if (wait > 0) await sleep(wait)
}

/**
 * Folders that may have changed since a moment, in milliseconds since 1970, however wrong the file server's clock is: what was
 * read of them then may be gone.
 */
export function changedFolders(entries: readonly Listed[], since: number): Set<BytePath> {
  const changed = new Set<BytePath>()
  for (const entry of entries)
    if (entry.type === 'directory' && Number(entry.mtimeNs / 1_000_000n) > since - SKEW_MS) changed.add(entry.path)
  return changed
}

/** Milliseconds to wait at `now` (ms since 1970). A stamp from the near future comes from a server's clock ahead of ours. */
export function settleTime(mtimeNs: bigint, now: number): number {
  const granule = mtimeNs % 1_000_000_000n === 0n ? SECOND_MS : TICK_MS
  const age = now - Number(mtimeNs / 1_000_000n)
  if (age < -SKEW_MS) return 0
  return age < 0 ? granule : Math.max(0, granule - age)
}
