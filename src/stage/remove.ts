import { lstat, rename } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { StageError } from '../errors.ts'
import { removingName } from './names.ts'
import { findStage, type Stage } from './record.ts'
import { assertNothingMounted, removeTree } from './remove-tree.ts'

/**
 * Removes the stage whose staged prefix this is. It is renamed first, so that from then on nobody takes what is left of
 * it for a stage; should we be stopped in between, the next `sweepDebris` finishes it.
 * Throws StageError NOT_STAGED where it is no stage of this user, TARGET_UNSAFE where something is mounted inside.
 */
export async function removeStage(prefix: string, { uid }: { uid: number }): Promise<Stage> {
  const { stage, remove } = await detachStage(prefix, { uid })
  await remove()
  return stage
}

/** A removal of so many files takes longer than the start of a process that does it behind our back. */
export const MANY_FILES = 5000

/** The first half, which takes no time however large the stage is; `remove` does the rest. */
export async function detachStage(
  prefix: string,
  { uid }: { uid: number },
): Promise<{ stage: Stage; remove: () => Promise<void> }> {
  const stage = await findStage(prefix)
  if (stage === undefined) throw notStaged(prefix, 'is not a staged environment')
  const { folder, record } = stage
  const facts = await lstat(folder)
  if (!facts.isDirectory() || facts.uid !== uid) throw notStaged(prefix, 'is not a stage of yours')
  if (`${record.original}/`.startsWith(`${folder}/`)) throw notStaged(prefix, 'says that it holds its own original')
  await assertNothingMounted(folder)
  const removing = `${dirname(folder)}/${removingName(basename(folder))}`
  await rename(folder, removing)
  return { stage, remove: () => removeTree(removing) }
}

function notStaged(prefix: string, what: string): StageError {
  return new StageError('NOT_STAGED', `${prefix} ${what}: nothing was removed`, {
    path: prefix,
    hint: 'Activate the staged environment, or name it: conda-stage --unstage --prefix=STAGED',
  })
}
