import { basename } from 'node:path'
import type { Bound } from '../auto-stage/exit-step.ts'
import { type Watch, watch } from '../auto-stage/watch.ts'
import { isOver, keep, keptUntil } from '../leases/kept.ts'
import {
  addLease,
  type HeldLease,
  isLive,
  type Lease,
  leasesOf,
  readLease,
  removeLease,
  someLive,
  writeLease,
} from '../leases/lease.ts'
import { errnoOf } from '../platform/errno.ts'
import { identityOf, isTraced, ownIdentity, type ProcessIdentity } from '../platform/process-identity.ts'
import { programsOf } from '../stage/programs.ts'
import { findStage, type Stage } from '../stage/record.ts'
import { isSourceThere } from '../stage/source.ts'

/** What the process that waits for the shell needs to start. */
type Start = Pick<Watch, 'launcher' | 'env'>

/** undefined if the holder's end or leaving does not give the lease back. */
export function boundOf({ file, lease: { bound, holder } }: HeldLease, prefix: string): Bound | undefined {
  return bound ? { prefix, marker: file, pid: holder.processes[0]!.pid, id: basename(file, '.json') } : undefined
}

/**
 * Has a lease given back when a session's shell leaves the stage or ends, in whatever way. For the first the copy has a script;
 * for the second a process waits. If the shell can, it also does so itself (`atExit`), because nobody waits for that process.
 */
export function bindToShell(held: HeldLease, prefix: string, start: Start): Bound {
  const bound = boundOf(held, prefix)!
  watchFor(bound, held.lease.holder.processes, start)
  return bound
}

/**
 * Has a process hold a lock on a copy for as long as its user lives, so that cleaners of old files leave it alone. It waits for
 * the last of the holder's processes, which is the leader of their session. Not while we are traced: a tracer ends when all that
 * it follows has ended, and the leader may wait for the tracer.
 */
export async function guard({ prefix, lease }: { prefix: string; lease: string }, { env }: Start): Promise<void> {
  if (isTraced()) return
  const leader = (await readLease(lease))?.lease.holder.processes.at(-1)
  if (leader) watch({ launcher: '', prefix, marker: lease, processes: [leader], env })
}

/** Has a shell that inherited a staged session from its parent hold a lease of its own. undefined if it has one. */
export async function inheritLease(prefix: string, lease: Lease): Promise<HeldLease | undefined> {
  const stage = await findStage(prefix)
  if (!stage) return undefined
  const leases = await leasesOf(stage.folder)
  const { pid } = lease.holder.processes[0]!
  if (leases.some((held) => isLive(held) && held.lease.holder.processes.some((process) => process.pid === pid)))
    return undefined
  const { activation, base } = leases.findLast((held) => held.lease.activation !== undefined)?.lease ?? {}
  const own = { ...lease, activation, ...(base && { base: await inheritBase(base.prefix, lease) }) }
  return { file: await addLease(stage.folder, own), lease: own }
}

async function inheritBase(prefix: string, lease: Lease): Promise<Lease['base']> {
  const stage = await findStage(prefix)
  return (
    stage && {
      prefix,
      lease: await addLease(stage.folder, { ...lease, original: stage.record.original, bound: false }),
    }
  )
}

export interface Left {
  /**
   * - shared: others use the stage
   * - used: programs still run from it; a process now waits for their end
   * - last: the original is gone, so nothing removes the stage but somebody who says so
   * - kept: the stage is kept for the next session
   * - free: nobody uses it
   * - gone: another one that left at the same time removes it
   */
  state: 'shared' | 'used' | 'last' | 'kept' | 'free' | 'gone'
  bound: Bound
  original: string
  /** The lease that was given back: the last of them. */
  lease: Lease
}

/**
 * Gives the leases back that a session has of a stage, now that it leaves it. undefined: none is bound to this session.
 * @param pid of the session's shell; without one, the leases of dead ones are meant
 */
export async function leave(prefix: string, pid: number | undefined, start: Start): Promise<Left | undefined> {
  const stage = await findStage(prefix)
  if (!stage) return undefined
  const { folder } = stage
  const leases = await leasesOf(folder)
  const own = leases.filter(({ lease: { bound } }) => bound).filter((held) => isOf(pid, held) || !isLive(held))
  const last = own.at(-1)
  if (last === undefined) return undefined
  const bound = boundOf(last, prefix)!
  const give = async () => {
    for (const { file } of own) await removeLease(file)
  }
  const isShared = async () => {
    const others = (await leasesOf(folder)).filter(({ file }) => !own.some((held) => held.file === file))
    return await someLive(others)
  }
  const left = (state: Left['state']): Left => ({ state, bound, original: last.lease.original, lease: last.lease })
  if (await isShared()) {
    await give()
    // Of two that leave at the same time, each has seen the other. At least one sees now that nobody is left.
    if (await isShared()) return left('shared')
  }
  try {
    const state = await leaveLast(stage, own, { bound, start, pid })
    await give()
    return left(state)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    return left('gone')
  }
}

/** What becomes of a stage that nobody else uses. */
async function leaveLast(
  { folder, record }: Stage,
  own: HeldLease[],
  { bound, start, pid }: { bound: Bound; start: Start; pid: number | undefined },
): Promise<Left['state']> {
  const { original } = own.at(-1)!.lease
  if (!(await isSourceThere({ ...record, original }))) {
    await keep(folder, null)
    return 'last'
  }
  const programs = await programsBehind({ folder, record }, own, pid)
  if (programs.length > 0) {
    await waitFor(programs, own.pop()!, { bound, start })
    return 'used'
  }
  const minutes = Math.max(...own.map(({ lease }) => lease.keepMinutes ?? 0))
  if (minutes > 0) await keep(folder, minutes)
  return isOver(await keptUntil(folder)) ? 'free' : 'kept'
}

/**
 * Has programs that a session leaves behind hold its lease of the base of a virtual environment: their Python runs from there, or
 * they have conda from there. false: there are none, and the lease is still to be given back.
 */
export async function leaveBaseToPrograms(
  { prefix, lease: file }: NonNullable<Lease['base']>,
  start: Start,
): Promise<boolean> {
  const [stage, held] = [await findStage(prefix), await readLease(file)]
  if (!stage || !held) return false
  const programs = await programsBehind(stage, [held])
  if (programs.length === 0) return false
  const own = { ...held, lease: { ...held.lease, bound: true } }
  await waitFor(programs, own, { bound: boundOf(own, prefix)!, start })
  return true
}

/** Programs that need a stage, except those that hold these leases. Who leaves alone is no longer one of those that a session has left. */
async function programsBehind(
  stage: Pick<Stage, 'folder' | 'record'>,
  own: readonly HeldLease[],
  leaving?: number,
): Promise<ProcessIdentity[]> {
  const holders = own.flatMap(({ lease: { holder } }) =>
    holder.kind === 'programs' ? [leaving] : holder.processes.map(({ pid }) => pid),
  )
  return (await programsOf(stage)).filter((pid) => !holders.includes(pid)).map(identityOf)
}

const isOf = (pid: number | undefined, { lease: { holder } }: HeldLease): boolean =>
  holder.processes.some((process) => process.pid === pid)

/** Programs that a session leaves behind hold its lease until they end. */
async function waitFor(
  processes: ProcessIdentity[],
  { file, lease }: HeldLease,
  { bound, start }: { bound: Bound; start: Start },
): Promise<void> {
  const { host, boot } = ownIdentity()
  await writeLease(file, { ...lease, holder: { kind: 'programs', host, boot, processes } })
  watchFor(bound, processes, start)
}

function watchFor({ prefix, marker }: Bound, processes: readonly ProcessIdentity[], { launcher, env }: Start): void {
  watch({ launcher, prefix, marker, processes, env })
}
