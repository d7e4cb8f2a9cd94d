const BILLION = 1_000_000_000n

/**
 * Seconds since 1970 for utimes(), which takes a double: near 2026 it steps by 240 ns, so that .999999999 would be
 * rounded into the next second, and a `.pyc` whose source has moved by a second is stale. The value returned lies
 * in the same microsecond, whichever way it is cut to nanoseconds; whole seconds are exact.
 */
export function utimesSeconds(mtimeNs: bigint): number {
  const seconds = floorSeconds(mtimeNs)
  const micros = Number(mtimeNs - BigInt(seconds) * BILLION) / 1000
  if (micros === 0) return seconds
  const nearest = seconds + micros / 1e6
  const kept = (nearest - seconds) * 1e6
  // Within a tenth of the border the next rounding might cross it; the middle of the microsecond never does.
  const margin = kept - Math.floor(micros)
  return margin > 0.1 && margin < 0.9 ? nearest : seconds + (Math.floor(micros) + 0.5) / 1e6
}

/**
 * Access time of what is staged, in seconds since 1970: now. Cleaners of scratch disks delete what was not read for long, and
 * the original's times are those of years ago.
 */
export const accessTime = (): number => Date.now() / 1000

/** node:fs takes a negative number for "now", but not a Date before 1970; that one keeps milliseconds. */
export const asTime = (seconds: number): number | Date => (seconds < 0 ? new Date(Math.floor(seconds * 1000)) : seconds)

function floorSeconds(ns: bigint): number {
  const seconds = ns / BILLION
  return Number(seconds * BILLION > ns ? seconds - 1n : seconds)
}
