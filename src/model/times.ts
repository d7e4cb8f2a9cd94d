const BILLION = 1_000_000_000n

/** A time in whole seconds since 1970, rounded towards the past, and the nanoseconds beyond. */
export function splitTime(ns: bigint): [seconds: number, nanos: number] {
  const nanos = ((ns % BILLION) + BILLION) % BILLION
  return [Number((ns - nanos) / BILLION), Number(nanos)]
}

export const joinTime = (seconds: number, nanos: number): bigint => BigInt(seconds) * BILLION + BigInt(nanos)

/** Whole seconds before or after 1970. ext4 gives files times until 2446, XFS until 2486, tmpfs and btrfs nearly any. */
const LATEST = 1_000_000_000_000

/** Whether a file can have this time: until the year 33,658. */
export const isPossibleTime = (ns: bigint): boolean => Math.abs(splitTime(ns)[0]) < LATEST

/**
 * Seconds since 1970 for utimes(), which takes a double. Near 2026 doubles step by 240 ns: .999999999 would be rounded into the
 * next second, and a `.pyc` is stale if its source has moved by a second. The value returned lies in the same microsecond,
 * however it is cut to nanoseconds. Whole seconds are exact.
 */
export function utimesSeconds(mtimeNs: bigint): number {
  const [seconds, nanos] = splitTime(mtimeNs)
  if (nanos === 0) return seconds
  const micros = nanos / 1000
  const nearest = seconds + micros / 1e6
  const kept = (nearest - seconds) * 1e6
  // Within a tenth of the border the next rounding might cross it. The middle of the microsecond never does.
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

/** The time that a squashfs image keeps: whole seconds since 1970, in 32 bits. */
export function imageSeconds(mtimeNs: bigint): number {
  const [seconds] = splitTime(mtimeNs)
  return Math.min(Math.max(seconds, 0), 0xffff_ffff)
}
