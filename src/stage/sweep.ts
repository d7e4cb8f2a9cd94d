import { lstatSync, readdirSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isCancelled } from '../errors.ts'
import { forget } from '../leases/forget.ts'
import { isOver, keptUntil } from '../leases/kept.ts'
import { leasesOf, someLive } from '../leases/lease.ts'
import { isAnnouncedIn } from '../leases/removal.ts'
import { sweepTurn } from '../leases/turn.ts'
import { isDead } from '../platform/process-identity.ts'
import { followPath } from '../platform/safe-path.ts'
import { losesChanges } from './changes.ts'
import { FOLDER_NAME, MARKER, OWNER, REMOVING_NAME } from './names.ts'
import { programsOf } from './programs.ts'
import { folderOf, readOwner, readRecord, type Stage } from './record.ts'
import { isLeased, setAside } from './remove.ts'
import { removeTree } from './remove-tree.ts'
import { isSourceThere } from './source.ts'

/**
 * Older versions wrote `OWNER` as soon as they had the folder, so a folder that is this old without a whole one has lost its maker
 * in between. If that was only stopped, it makes another folder as soon as it goes on: no clock has to be right. A time in the
 * future counts, too: somebody has set the clock since.
 */
const OWNERLESS_MS = 10 * 60 * 1000

/**
 * Removes what killed processes of this user left in LOCAL: unfinished stages and unfinished removals; and stages that nobody uses
 * any more, see `whyStanding`. Anything that somebody may still be working on is left alone.
 * @returns the removed folders. Folders that can't be removed are left; there is no error for them.
 * @throws StageError CANCELLED
 */
export async function sweepDebris(local: string, { uid }: { uid: number }): Promise<string[]> {
  const removed: string[] = []
  for (const name of await namesIn(local, uid)) {
    const folder = `${local}/${name}`
    try {
      if (await sweepTurn(local, name, uid)) continue
      if (!(await isDebris(folder, name, uid))) continue
      // A stage of which a part is gone must not be taken for a stage.
      const removing = REMOVING_NAME.test(name) ? folder : await setAside(folder)
      if (removing === undefined) continue
      await removeTree(removing)
      removed.push(folder)
    } catch (error) {
      if (isCancelled(error)) throw error
      // Left for the next time: this must not make staging fail.
    }
  }
  return removed
}

/** The folders that `sweepDebris` would remove now. Changes nothing. */
export async function debrisIn(local: string, { uid }: { uid: number }): Promise<string[]> {
  const found: string[] = []
  for (const name of await namesIn(local, uid))
    if (await isDebris(`${local}/${name}`, name, uid, { dryRun: true }).catch(() => false))
      found.push(`${local}/${name}`)
  return found
}

/** None if others can rename things there: what has the name of debris may be a folder that this user needs. */
async function namesIn(local: string, uid: number): Promise<string[]> {
  try {
    return (await followPath(local, uid)).exposed ? [] : readdirSync(local)
  } catch (error) {
    if (isCancelled(error)) throw error
    return []
  }
}

async function isDebris(folder: string, name: string, uid: number, { dryRun = false } = {}): Promise<boolean> {
  const removing = REMOVING_NAME.test(name)
  if (!removing && !FOLDER_NAME.test(name)) return false
  const facts = lstatSync(folder)
  if (!facts.isDirectory() || facts.uid !== uid) return false
  if (removing) return !((await isJoined(folder)) && (dryRun || (await isRestored(folder))))
  const owner = await readOwner(`${folder}/${OWNER}`)
  if (owner !== undefined && !isDead(owner.owner)) return false
  // Checked last: a process that has ended can no longer finish the stage.
  const isFinished = lstatSync(`${folder}/${MARKER}`, { throwIfNoEntry: false }) !== undefined
  if (!isFinished) return owner !== undefined || Math.abs(Date.now() - facts.mtimeMs) > OWNERLESS_MS
  const record = await readRecord(folder)
  return record !== undefined && (await whyStanding({ folder, record }, { dryRun })) === undefined
}

/** Somebody may have joined a stage in the moment in which a process set it aside that could not announce it, and was killed. */
const isJoined = async (folder: string): Promise<boolean> => (await isLeased(folder)) && !(await isAnnouncedIn(folder))

async function isRestored(folder: string): Promise<boolean> {
  const record = await readRecord(folder)
  const before = record && folderOf(record.prefix)
  if (before === undefined || dirname(before) !== dirname(folder)) return false
  await rename(folder, before)
  return true
}

/** Why a stage that its maker has finished must not be removed by just anyone. */
export type Standing = 'used' | 'unknown' | 'programs' | 'changed' | 'last' | 'kept'

/**
 * - used: there is a live lease
 * - unknown: a lease can't be read
 * - programs: programs run from it that hold no lease, such as those that a killed session left
 * - changed: what a user did in it would be lost
 * - last: its original is gone, and so is what it could be made from again
 * - kept: it is kept for the next session for some time
 * @param dryRun change nothing. Otherwise the leases of dead holders are removed.
 */
export async function whyStanding(stage: Stage, { dryRun = false } = {}): Promise<Standing | undefined> {
  const { folder, record } = stage
  const leases = await leasesOf(folder)
  const dead = leases.filter(({ unread }) => unread === undefined)
  if (await someLive(dead)) return 'used'
  if (dead.length < leases.length) return 'unknown'
  if ((await programsOf(stage)).length > 0) return 'programs'
  // A session that was killed could not say how long the copy may stand.
  if (!dryRun) await forget(folder, dead)
  if (await losesChanges(stage)) return 'changed'
  if (!(await isSourceThere(record))) return 'last'
  const isKept = !isOver(await keptUntil(folder)) || (dryRun && dead.some(({ lease }) => lease.keepMinutes !== 0))
  return isKept ? 'kept' : undefined
}
