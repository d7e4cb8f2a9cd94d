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

export const ownIdentity = (): ProcessIdentity => (own ??= identityOf(process.pid))

let own: ProcessIdentity | undefined

/** What is the same for all processes that can be seen from here. */
const machine = (): Pick<ProcessIdentity, 'host' | 'boot' | 'pidNamespace'> =>
  (known ??= {
    host: hostname(),
    boot: readOr('', '/proc/sys/kernel/random/boot_id').trim(),
    pidNamespace: pidNamespace(),
  })

let known: ReturnType<typeof machine> | undefined

/** @param pid of a running process */
export const identityOf = (pid: number): ProcessIdentity => ({
  ...machine(),
  pid,
  started: processFacts(pid)?.started ?? '',
})

/** What can be known of another process from here; `unknown` if it belongs to another container or machine. */
export type Fate = 'alive' | 'ended' | 'unknown'

/** A host may have several names, such as those of its containers, so the boot decides which machine it is. */
export function fateOf(other: ProcessIdentity, self: ProcessIdentity = ownIdentity()): Fate {
  if (self.boot === '' || other.boot === '') return 'unknown'
  if (other.boot !== self.boot) return other.host === self.host ? 'ended' : 'unknown'
  if (other.pidNamespace !== self.pidNamespace || self.pidNamespace === '') return 'unknown'
  return processFacts(other.pid)?.started === other.started ? 'alive' : 'ended'
}

/** True only if the process has certainly ended; false also if that can't be known from here. */
export const isDead = (other: ProcessIdentity, self?: ProcessIdentity): boolean => fateOf(other, self) === 'ended'

export interface ProcessFacts {
  parent: number
  /** Process number of the session's leader; 0 if it is outside of this container. */
  session: number
  started: string
}

/** undefined: there is no such process, or it has ended and only its parent has not noticed yet. */
export function processFacts(pid: number): ProcessFacts | undefined {
  const stat = readOr('', `/proc/${pid}/stat`)
  // The name in field 2 may contain spaces and brackets.
  const [state, parent, , session, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (stat === '' || state === 'Z' || state === 'X') return undefined
  return { parent: Number(parent), session: Number(session), started: rest[15]! }
}

/**
 * The shells of which a process is a subshell, the nearest first. A fork has the command line of its parent; a shell that was
 * started anew with the same one counts, too.
 */
export function forkedFrom(pid: number): number[] {
  const command = (each: number) => readOr('', `/proc/${each}/cmdline`)
  const found: number[] = []
  for (let at = processFacts(pid)?.parent ?? 0; at > 1; at = processFacts(at)?.parent ?? 0) {
    if (command(at) === '' || command(at) !== command(pid)) break
    found.push(at)
  }
  return found
}

/** Whether a program such as `strace -f` follows this process and all that it starts. */
export const isTraced = (): boolean => /^TracerPid:\s*[1-9]/m.test(readOr('', '/proc/self/status'))

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
