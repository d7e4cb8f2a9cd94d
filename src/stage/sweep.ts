import { lstat, readdir, realpath } from 'node:fs/promises'
import { isDead } from '../platform/process-identity.ts'
import { processesUsing } from '../platform/users-of.ts'
import { losesChanges } from './changes.ts'
import { FOLDER_NAME, MARKER, OWNER, REMOVING_NAME } from './names.ts'
import { readOwner, readRecord } from './record.ts'
import { setAside } from './remove.ts'
import { removeTree } from './remove-tree.ts'

/**
 * The maker of a stage writes `OWNER` as soon as it has the folder, so a folder that is this old without a whole one has lost
 * its maker in between. If that was only stopped, it makes another folder as soon as it goes on: no clock has to be right.
 * A time in the future counts, too: somebody has set the clock since.
 */
const OWNERLESS_MS = 10 * 60 * 1000

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
      // A stage of which a part is gone must not be taken for a stage.
      await removeTree(REMOVING_NAME.test(name) ? folder : await setAside(folder))
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
  if (owner !== undefined && !isDead(owner.owner)) return false
  // Checked last: a process that has ended can no longer finish the stage.
  const isFinished = await lstat(`${folder}/${MARKER}`).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
  if (isFinished) return await isLeft(folder)
  return owner !== undefined || Math.abs(Date.now() - facts.mtimeMs) > OWNERLESS_MS
}

/** The stage's session should have removed it, but was killed together with the process that watched it. */
async function isLeft(folder: string): Promise<boolean> {
  const record = await readRecord(folder)
  if (record?.session === undefined || !isDead(record.session)) return false
  return processesUsing(await realpath(folder)).length === 0 && !(await losesChanges({ folder, record }))
}
