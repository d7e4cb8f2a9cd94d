import { lstat, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import { removingName } from './names.ts'
import { findStage, type Stage } from './record.ts'
import { assertNothingMounted, removeTree } from './remove-tree.ts'

/** Removing so many files takes longer than starting a process that does it in the background. */
export const MANY_FILES = 5000

/**
 * Renames the stage with this staged prefix, so that from then on nobody takes it for a stage. That takes no time, however large
 * the stage is. `remove` removes its files; if the process is stopped before that, the next `sweepDebris` does it.
 * @throws StageError NOT_STAGED if it is no stage of this user, TARGET_UNSAFE if something is mounted inside
 */
export async function detachStage(
  prefix: string,
  { uid }: { uid: number },
): Promise<{ stage: Stage; remove: (onRemoved?: (files: number) => void) => Promise<void> }> {
  const stage = await findStage(prefix)
  if (stage === undefined) throw notStaged(prefix, 'is not a staged environment')
  const { folder, record } = stage
  const facts = await lstat(folder)
  if (!facts.isDirectory() || facts.uid !== uid) throw notStaged(prefix, 'is a stage of another user')
  if (`${record.original}/`.startsWith(`${folder}/`)) throw notStaged(prefix, 'claims to contain its own original')
  const removing = await setAside(folder)
  return { stage, remove: (onRemoved) => removeTree(removing, onRemoved) }
}

/**
 * From now on nobody takes the folder for a stage, and a sweep removes it. Returns its new path.
 * @throws StageError TARGET_UNSAFE if something is mounted inside
 */
export async function setAside(folder: string): Promise<string> {
  await assertNothingMounted(folder)
  const removing = `${dirname(folder)}/${removingName()}`
  await rename(folder, removing)
  return removing
}

function notStaged(prefix: string, what: string): StageError {
  return new StageError('NOT_STAGED', `${prefix} ${what}: nothing was removed`, {
    path: prefix,
    hint: 'Activate the staged environment, or name it: conda-stage --unstage --prefix=STAGED',
  })
}
