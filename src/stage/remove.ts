import { lstat, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import { isLive, leasesOf } from '../leases/lease.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { removingName } from './names.ts'
import { findStage, type Stage } from './record.ts'
import { assertNothingMounted, removeTree } from './remove-tree.ts'

/** Removing so many files takes longer than starting a process that does it in the background. */
export const MANY_FILES = 5000

type Remove = (onRemoved?: (files: number) => void) => Promise<void>

/** @throws StageError NOT_STAGED if the prefix is no stage of this user */
export async function ownStage(prefix: string, uid: number): Promise<Stage> {
  const stage = await findStage(prefix)
  if (stage === undefined) throw notStaged(prefix, 'is not a staged environment')
  const { folder, record } = stage
  const facts = await lstat(folder)
  if (!facts.isDirectory() || facts.uid !== uid) throw notStaged(prefix, 'is a stage of another user')
  if (`${record.original}/`.startsWith(`${folder}/`)) throw notStaged(prefix, 'claims to contain its own original')
  return stage
}

/**
 * Renames a stage, so that from then on nobody takes it for a stage. That takes no time, however large the stage is. The result
 * removes its files; if the process is stopped before that, the next `sweepDebris` does it.
 * @returns undefined if somebody uses it; then it is as it was
 * @throws StageError TARGET_UNSAFE if something is mounted inside
 */
export async function detachStage({ folder }: Stage, { force = false } = {}): Promise<Remove | undefined> {
  const removing = await setAside(folder, { force })
  return removing === undefined ? undefined : (onRemoved) => removeTree(removing, onRemoved)
}

/**
 * Renames a stage's folder to a name that a sweep removes. Who joins a stage writes a lease first and then looks whether it is
 * still there; here it is the other way round. So one of the two sees the other.
 * @returns the new path; undefined if there is a live lease
 * @throws StageError TARGET_UNSAFE if something is mounted inside, TARGET_UNWRITABLE; ENOENT if it is gone
 */
export async function setAside(folder: string, { force = false } = {}): Promise<string | undefined> {
  await assertNothingMounted(folder)
  if (!force && (await isLeased(folder))) return undefined
  const removing = `${dirname(folder)}/${removingName()}`
  await renamed(folder, removing)
  if (force || !(await isLeased(removing))) return removing
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
