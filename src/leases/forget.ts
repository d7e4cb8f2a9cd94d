import { keep } from './kept.ts'
import { type HeldLease, isLive, leasesOf, removeLease } from './lease.ts'

/** Removes leases of holders that have ended. The copy stands as long as these wanted. */
export async function forget(stage: string, dead: readonly HeldLease[]): Promise<void> {
  for (const { file, lease } of dead) {
    if (lease.keepMinutes !== 0) await keep(stage, lease.keepMinutes)
    await removeLease(file)
  }
}

/** The same in a copy that is in use. Those that some session may still go back to stay. */
export async function forgetDead(stage: string): Promise<void> {
  const leases = await leasesOf(stage).catch(() => [])
  const dead = leases.filter(
    (held) => held.lease.activation === undefined && !isLive(held) && held.lease.holder.kind === 'session',
  )
  await forget(stage, dead)
}
