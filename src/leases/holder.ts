import { type Job, jobOf } from '../platform/job.ts'
import {
  forkedFrom,
  identityOf,
  ownIdentity,
  type ProcessIdentity,
  processFacts,
} from '../platform/process-identity.ts'
import type { HeldLease } from './lease.ts'
import type { Caller, Holder } from './users.ts'

/**
 * Who holds the lease of a copy: a process that lives as long as somebody may use the copy. Without a shell or a named
 * process, that is one of our ancestors up to the leader of their session, or the job.
 */
export function holderOf({ env, shell, session, getsPath }: Caller): Holder {
  const { host, boot, pid } = ownIdentity()
  const job = jobOf(env)
  const common = { host, boot, ...(job && { job }) }
  if (session !== undefined) return { kind: 'session', ...common, processes: [identityOf(session)] }
  if (shell !== undefined) {
    // As in PREFIX=$(conda-stage --prefix=ENV), which goes on to use the copy.
    const shells = getsPath ? [shell, ...forkedFrom(shell)] : [shell]
    return { kind: 'shell', ...common, processes: shells.map(identityOf) }
  }
  return { kind: job ? 'job' : 'login', ...common, processes: ancestorsOf(pid) }
}

/** The job, or, outside of jobs, somebody whose end nobody sees: then the lease counts until it is given back or the machine starts. */
export function holderWithoutProcess(job: Job | undefined): Holder {
  const { host, boot } = ownIdentity()
  return { kind: job ? 'job' : 'login', host, boot, ...(job && { job }), processes: [] }
}

/**
 * From our parent up to its session's leader. A program that starts us in a session of our own is in another one. The first
 * process of a machine or a container is no holder: it outlives everything.
 */
function ancestorsOf(pid: number): ProcessIdentity[] {
  const found: ProcessIdentity[] = []
  let own = processFacts(pid)
  const session = own?.session === pid ? processFacts(own.parent)?.session : own?.session
  for (let at = own?.parent ?? 0; at > 1; at = own.parent) {
    own = processFacts(at)
    if (own === undefined || own.session !== session) break
    found.push(identityOf(at))
  }
  return found
}

/** The leases that the caller may give back, best first: its own, else those of its job or its login session; the newest first. */
export function leasesOfCaller(caller: Caller, leases: readonly HeldLease[]): HeldLease[] {
  const { kind, processes, job } = holderOf(caller)
  const isSame = ({ pid, started }: ProcessIdentity) =>
    processes.some((own) => own.pid === pid && own.started === started)
  // Without /proc nobody is known.
  const isUnknown = ({ lease: { holder }, unread }: HeldLease) =>
    unread === undefined && processes.length + holder.processes.length === 0
  const own = leases.filter((held) => held.lease.holder.processes.some(isSame) || isUnknown(held)).toReversed()
  if (kind !== 'job') return own
  const ofJob = leases
    .filter(({ lease: { holder } }) => holder.kind === 'job' && holder.job?.id === job?.id)
    .toReversed()
  return [...own, ...ofJob.filter((held) => !own.includes(held))]
}
