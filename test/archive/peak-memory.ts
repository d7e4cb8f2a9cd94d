import { readFileSync } from 'node:fs'

/** The most memory that this process had so far. getrusage() counts what its parent had, too. */
export const peakMegabytes = (): number =>
  Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024)
