import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Identifies one process, even if another one gets its number later. */
export interface ProcessIdentity {
  host: string
  /** Changes each time the machine starts. */
  boot: string
  /** Process numbers are only meaningful inside of one namespace; containers have their own. */
  pidNamespace: string
  pid: number
  /** Start of the process in clock ticks after boot. */
  started: string
}

export const ownIdentity = (): ProcessIdentity => identityOf(process.pid)

/** @param pid of a running process */
export function identityOf(pid: number): ProcessIdentity {
  return {
    host: hostname(),
    boot: readOr('', '/proc/sys/kernel/random/boot_id').trim(),
    pidNamespace: pidNamespace(),
    pid,
    started: startTime(pid) ?? '',
  }
}

/** True only if the process has certainly ended; false also if that can't be known from here. */
export function isDead(other: ProcessIdentity, self: ProcessIdentity = ownIdentity()): boolean {
  if (other.host !== self.host || self.boot === '' || other.boot === '') return false
  if (other.boot !== self.boot) return true
  if (other.pidNamespace !== self.pidNamespace || self.pidNamespace === '') return false
  return startTime(other.pid) !== other.started
}

/** Field 22 of /proc/PID/stat; the name in field 2 may contain spaces and brackets. undefined: there is no such process. */
function startTime(pid: number): string | undefined {
  const stat = readOr('', `/proc/${pid}/stat`)
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

function readOr(fallback: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return fallback
  }
}
