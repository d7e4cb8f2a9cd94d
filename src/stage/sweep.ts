import { lstat, readdir, realpath } from 'node:fs/promises'
import { isDead } from '../platform/process-identity.ts'
import { processesUsing } from '../platform/users-of.ts'
import { losesChanges } from './changes.ts'
import { FOLDER_NAME, MARKER, OWNER, REMOVING_NAME } from './names.ts'
import { readOwner, readRecord } from './record.ts'
import { removeTree } from './remove-tree.ts'

/**
 * Removes what killed processes of this user left in LOCAL: unfinished stages and unfinished removals. A finished stage is
 * removed only if it belongs to a session that has ended, no program runs from it any more, and no changes would be lost. Anything that somebody may
 * still be working on is left alone.
 * @returns the removed folders. Folders that can't be removed are left; there is no error for them.
 */
export async function sweepDebris(local: string, { uid }: { uid: number }): Promise<string[]> {
  const removed: string[] = []
  for (const name of await readdir(local).catch(() => [])) {
    const folder = `${local}/${name}`
    try {
      if (!(await isDebris(folder, name, uid))) continue
      await removeTree(folder)
      removed.push(folder)
    } catch {
      // Left for the next time: this must not make staging fail.
    }
  }
  return removed
}

async function isDebris(folder: string, name: string, uid: number): Promise<boolean> {
  const removing = REMOVING_NAME.test(name)
  if (!removing && !FOLDER_NAME.test(name)) return false
  const facts = await lstat(folder)
  if (!facts.isDirectory() || facts.uid !== uid) return false
  if (removing) return true
  const owner = await readOwner(`${folder}/${OWNER}`)
  if (owner === undefined || !isDead(owner.owner)) return false
  // Checked last: a process that has ended can no longer finish the stage.
  const isFinished = await lstat(`${folder}/${MARKER}`).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
  return !isFinished || (await isLeft(folder))
}

/** The stage's session should have removed it, but was killed together with the process that watched it. */
async function isLeft(folder: string): Promise<boolean> {
  const record = await readRecord(folder)
  if (record?.session === undefined || !isDead(record.session)) return false
  return processesUsing(await realpath(folder)).length === 0 && !(await losesChanges({ folder, record }))
}
