import { setTimeout as sleep } from 'node:timers/promises'
import type { BytePath } from '../model/byte-path.ts'
import type { Listed } from '../model/listed.ts'

/** Longer than the clock tick by which Linux stamps files, which is 10 ms at most. */
const TICK_MS = 20
/** For file systems that keep whole seconds (Lustre, some NFS servers). */
const SECOND_MS = 1000
/**
 * How far our clock may be from the file server's: an hour if one of them has not followed summer time, and a bit. A stamp further
 * in the future was set by hand.
 */
const SKEW_MS = 65 * 60_000

/**
 * Waits until any later change must show as another mtime. A file that is read within the clock tick of its last change
 * could change once more and keep its mtime and size, and the archive would look fresh for ever. Nearly always there is
 * nothing to wait for.
 */
export async function settled(mtimeNs: bigint): Promise<void> {
  const wait = settleTime(mtimeNs, Date.now())
  if (wait > 0) await sleep(wait)
}

/**
 * Folders that may have changed since then, whatever our clock and the file server's say. What was read in them before they were
 * listed may be out of date.
 * @param since milliseconds since 1970
 */
export function changedFolders(entries: readonly Listed[], since: number): Set<BytePath> {
  const changed = new Set<BytePath>()
  for (const entry of entries)
    if (entry.type === 'directory' && Number(entry.mtimeNs / 1_000_000n) > since - SKEW_MS) changed.add(entry.path)
  return changed
}

/** Milliseconds to wait at `now` (ms since 1970). A stamp from the near future is from a server whose clock is ahead of ours. */
export function settleTime(mtimeNs: bigint, now: number): number {
  const granule = mtimeNs % 1_000_000_000n === 0n ? SECOND_MS : TICK_MS
  const age = now - Number(mtimeNs / 1_000_000n)
  if (age < -SKEW_MS) return 0
  return age < 0 ? granule : Math.max(0, granule - age)
}
