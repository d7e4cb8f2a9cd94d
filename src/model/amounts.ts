/** "1 file", "2 files". */
export const counted = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`

/** With commas between thousands. */
export const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

/** In MB (10^6 bytes), with one digit behind the point below 10 MB. */
export function megabytes(bytes: number): string {
  const amount = bytes / 1e6
  return `${amount >= 9.95 ? grouped(Math.round(amount)) : amount.toFixed(1)} MB`
}

/** Of a look-up. One in memory takes less than what can be told. */
export const milliseconds = (ms: number): string => (ms < 0.001 ? 'less than 0.001 ms' : `${ms.toFixed(3)} ms`)

/** Rounded to whole seconds: "1 second". */
export const wholeSeconds = (seconds: number): string => counted(Math.round(seconds), 'second')

/** A length of time in its largest unit: "3 minutes". */
export function duration(seconds: number): string {
  for (const [unit, length] of [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ] as const)
    if (seconds >= length) return counted(Math.floor(seconds / length), unit)
  return counted(Math.max(0, Math.floor(seconds)), 'second')
}
