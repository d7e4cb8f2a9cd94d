import { holderOf, holderWithoutProcess } from '../leases/holder.ts'
import type { Lease } from '../leases/lease.ts'
import type { Caller } from '../leases/users.ts'
import type { Job } from '../platform/job.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import type { StageOptions } from './options.ts'

/** Whether the copy may serve others. A new archive asked for by `force` is in no copy that is there. */
export const isShared = ({ isPrivate, writable }: StageOptions): boolean => isPrivate !== true && writable !== true

/** What a lease says if the copy is on several nodes. */
export interface LeaseFacts {
  /** On each of the nodes: for which call, and in which job. Then no process holds the lease. */
  onNode?: { call: string; job?: Job | undefined }
  /** In the session that called. */
  nodes?: Lease['nodes']
}

/** A copy of an archive alone. */
export interface AloneFacts {
  /** Digest of its index, which holds the digests of all contents. Only such copies of the same contents are shared. */
  alone?: string | undefined
  /** That archive: one of ours, and when it was written (ISO 8601). */
  aloneArchive?: { path: string; created: string } | undefined
}

/** The lease of who asked for the copy. */
export function leaseFor(
  original: string,
  options: Pick<StageOptions, 'caller' | 'keepMinutes'> & LeaseFacts & { env: Caller['env'] },
): Lease {
  const { onNode, nodes } = options
  return {
    holder: onNode ? holderWithoutProcess(onNode.job) : holderOf(callerOf(options)),
    since: new Date().toISOString(),
    original,
    bound: false,
    keepMinutes: options.keepMinutes === undefined ? 0 : options.keepMinutes,
    ...(onNode && { call: onNode.call }),
    ...(nodes && { nodes }),
  }
}

/** A caller of the library who names nobody uses the copy itself. */
export const callerOf = ({ caller, env }: { caller?: Caller | undefined; env: Caller['env'] }): Caller =>
  caller ?? { env, session: ownIdentity().pid }
