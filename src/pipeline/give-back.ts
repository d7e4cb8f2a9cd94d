import { leasesOfCaller } from '../leases/holder.ts'
import { isOver, keep, keptUntil, type Until } from '../leases/kept.ts'
import { type HeldLease, type Lease, leasesOf, liveAmong, oneOfEachUser, removeLease } from '../leases/lease.ts'
import type { Holder } from '../leases/users.ts'
import { errnoOf } from '../platform/errno.ts'
import type { Stage } from '../stage/record.ts'
import type { UnstageOptions, UnstageResult } from './options.ts'
import { callerOf } from './share.ts'

/**
 * Gives the caller's lease of a stage back.
 * @returns why the stage stays, if somebody uses it; and what the lease says of the base of a virtual environment
 */
export async function giveBack(
  stage: Stage,
  { lease, caller, env, force }: UnstageOptions & { env: NonNullable<UnstageOptions['env']> },
): Promise<Pick<UnstageResult, 'kept'> & Pick<Lease, 'base'>> {
  const leases = await leasesOf(stage.folder)
  const own =
    lease === undefined
      ? leasesOfCaller(callerOf({ ...(caller && { caller }), env }), leases)
      : leases.filter(({ file }) => file === lease)
  const given = await giveFirst(own)
  const base = given?.lease.base && { base: given.lease.base }
  const users = await usersOf(stage)
  if (users.length > 0) return { ...base, kept: { users } }
  if (force) return { ...base }
  // Whoever was killed could not say how long the copy may stand.
  const gone = [...(given ? [given] : []), ...(await leasesOf(stage.folder))]
  const minutes = Math.max(0, ...gone.map(({ lease }) => lease.keepMinutes ?? 0))
  const until = minutes ? await keepIfThere(stage.folder, minutes) : await keptUntil(stage.folder)
  // One that is kept without an end is kept until somebody unstages it.
  return until === null || isOver(until) ? { ...base } : { ...base, kept: { until: until! } }
}

/** Undefined if another process, which gave its own lease back at the same time, has removed the copy. */
const keepIfThere = (folder: string, minutes: number): Promise<Until | undefined> =>
  keep(folder, minutes).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error
    return undefined
  })

/** The first that is still there: others of the same session or job may be giving theirs back now. */
async function giveFirst(leases: readonly HeldLease[]): Promise<HeldLease | undefined> {
  for (const held of leases) if (await removeLease(held.file)) return held
  return undefined
}

/** Who holds live leases of a stage. */
export const usersOf = async ({ folder }: Stage): Promise<Holder[]> =>
  oneOfEachUser(await liveAmong(await leasesOf(folder))).map(({ lease }) => lease.holder)
