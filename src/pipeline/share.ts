import { type Caller, holderOf } from '../leases/holder.ts'
import type { Lease } from '../leases/lease.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import type { StageOptions } from './options.ts'

/** Whether the copy may serve others. A new archive asked for by `force` is in no copy that is there. */
export const isShared = ({ isPrivate, writable }: StageOptions): boolean => isPrivate !== true && writable !== true

/** The lease of who asked for the copy. */
export function leaseFor(
  original: string,
  options: Pick<StageOptions, 'caller' | 'keepMinutes'> & { env: Caller['env'] },
): Lease {
  return {
    holder: holderOf(callerOf(options)),
    since: new Date().toISOString(),
    original,
    bound: false,
    keepMinutes: options.keepMinutes === undefined ? 0 : options.keepMinutes,
  }
}

/** A caller of the library who names nobody uses the copy itself. */
export const callerOf = ({ caller, env }: { caller?: Caller | undefined; env: Caller['env'] }): Caller =>
  caller ?? { env, session: ownIdentity().pid }
