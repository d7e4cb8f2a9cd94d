import { leasesOfCaller } from '../leases/holder.ts'
import { type HeldLease, leasesOf, readLease, writeLease } from '../leases/lease.ts'
import type { Caller } from '../leases/users.ts'
import { findStage, type Stage } from '../stage/record.ts'

/** Keeps with the lease what the activation replaced in the session, so that unstaging can restore it. */
export async function saveActivation(
  file: string,
  { snapshot, bound }: { snapshot: unknown; bound: boolean },
): Promise<HeldLease> {
  const saved = { ...(await readLease(file))!.lease, activation: snapshot, bound }
  await writeLease(file, saved)
  return { file, lease: saved }
}

/** The original of a stage, as whoever staged it in this session or its parent named it. */
export async function originalInSession({ folder, record }: Stage, caller: Caller): Promise<string> {
  const [own] = leasesOfCaller({ env: caller.env }, await leasesOf(folder))
  return own?.lease.original ?? record.original
}

/** By prefix: the stages among the environments that are active in the session, both the top one and those beneath it. */
export async function stagesOf(env: Readonly<Record<string, string | undefined>>): Promise<Map<string, Stage>> {
  const names = Object.keys(env).filter((name) => /^(?:CONDA_PREFIX(?:_\d+)?|VIRTUAL_ENV)$/.test(name))
  const stages = new Map<string, Stage>()
  for (const prefix of new Set(names.map((name) => env[name]!))) {
    const stage = await findStage(prefix)
    if (stage) stages.set(prefix, stage)
  }
  return stages
}
