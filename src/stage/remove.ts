import { lstat, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import { isLive, leasesOf, someLive } from '../leases/lease.ts'
import { announceRemoval } from '../leases/removal.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { HeldFolder } from '../platform/held-folder.ts'
import { removingName } from './names.ts'
import { findStage, folderOf, readRecord, type Stage, type StageRecord } from './record.ts'
import { assertRemovable, type Identity, removeTree } from './remove-tree.ts'

/** Removing so many files takes longer than starting a process that does it in the background. */
export const MANY_FILES = 5000

type Remove = (onRemoved?: (files: number) => void) => Promise<void>

/** @throws StageError NOT_STAGED if the prefix is no stage of this user */
export async function ownStage(prefix: string, uid: number): Promise<Stage> {
  const folder = folderOf(prefix)
  const facts = folder === undefined ? undefined : await lstat(folder).catch(() => undefined)
  if (facts?.isDirectory() && facts.uid !== uid) throw notStaged(prefix, 'is a copy of another user')
  const stage = await findStage(prefix)
  if (stage === undefined) throw notStaged(prefix, 'is not a staged environment')
  const { record } = stage
  if (`${record.original}/`.startsWith(`${folder}/`)) throw notStaged(prefix, 'claims to contain its own original')
  return stage
}

/**
 * Renames a stage, so that from then on nobody takes it for a stage. That takes no time, however large the stage is. The result
 * removes its files; if the process is stopped before that, the next `sweepDebris` does it.
 * @returns 'in use' if somebody uses it; then it is as it was. 'gone' if another process has removed it meanwhile: of two that
 *   give the last two leases back at once, each may see that nobody uses the stage any more
 * @throws StageError TARGET_UNSAFE if something is mounted inside
 */
export async function detachStage(
  { folder, record }: Stage,
  { force = false } = {},
): Promise<Remove | 'in use' | 'gone'> {
  try {
    const only = await identityOf(folder, record)
    if (only === undefined) return 'gone'
    const removing = await setAside(folder, { force })
    return removing === undefined ? 'in use' : (onRemoved) => removeTree(removing, { onRemoved, only })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'gone'
    throw error
  }
}

/**
 * Which folder it is that holds this record: by another name, or while others exchange names, it is still the same one.
 * @returns undefined if it holds no record any more, since another process is removing it
 * @throws ENOENT if it is gone
 */
async function identityOf(folder: string, { prefix }: StageRecord): Promise<Identity | undefined> {
  let held: HeldFolder | undefined
  try {
    held = new HeldFolder(folder)
    const { dev, ino } = held.facts
    const found = await readRecord(String(held.path))
    if (found === undefined) return undefined
    if (found.prefix === prefix) return { dev, ino }
  } finally {
    held?.close()
  }
  throw notStaged(prefix, 'was replaced by another folder a moment ago')
}

/**
 * Renames a stage's folder to a name that a sweep removes, unless somebody uses it, see `announceRemoval`.
 * @returns the new path; undefined if there is a live lease
 * @throws StageError TARGET_UNSAFE if something is mounted inside, TARGET_UNWRITABLE; ENOENT if it is gone
 */
export async function setAside(folder: string, { force = false } = {}): Promise<string | undefined> {
  await assertRemovable(folder)
  const removing = `${dirname(folder)}/${removingName()}`
  if (force) {
    await renamed(folder, removing)
    return removing
  }
  // Before it is announced: nobody who joins has to wait while a scheduler is asked.
  if (await someLive(await leasesOf(folder))) return undefined
  const takeBack = await announceRemoval(folder).catch(() => undefined)
  try {
    if (await isLeased(folder)) {
      await takeBack?.()
      return undefined
    }
    await renamed(folder, removing)
  } catch (error) {
    await takeBack?.()
    throw error
  }
  // It could not be announced, on a full disk for instance: somebody may have come meanwhile.
  if (takeBack || !(await isLeased(removing).catch(() => true))) return removing
  await renamed(removing, folder)
  return undefined
}

async function renamed(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: unknown) => {
    const errno = errnoOf(error)
    if (errno === undefined || errno === 'ENOENT') throw error
    throw new StageError('TARGET_UNWRITABLE', `${from} can't be renamed: ${meaningOf(errno)}`, {
      path: from,
      hint: 'The copy is as it was. Try again when its disk is in order.',
      cause: error,
    })
  })
}

export const isLeased = async (folder: string): Promise<boolean> => (await leasesOf(folder)).some(isLive)

function notStaged(prefix: string, what: string): StageError {
  return new StageError('NOT_STAGED', `${prefix} ${what}: nothing was removed`, {
    path: prefix,
    hint: 'Activate the staged environment, or name it: conda-stage --unstage --prefix=STAGED',
  })
}
