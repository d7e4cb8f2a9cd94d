import { lstat, readdir, realpath } from 'node:fs/promises'
import { isDead } from '../platform/process-identity.ts'
import { processesUsing } from '../platform/users-of.ts'
import { FOLDER_NAME, MARKER, OWNER, REMOVING_NAME } from './names.ts'
import { readOwner, readRecord } from './record.ts'
import { removeTree } from './remove-tree.ts'

/**
 * Removes what killed processes of this user left in LOCAL: stages that were never finished, and removals that were
 * not. Of finished stages only those are touched that go with a session which has ended, and from which nothing runs any
 * more; and nothing of which it is not certain that nobody works on it.
 * Returns what was removed. What can't be removed is left; no error comes out of this.
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
      // Left for the next time: staging must not fail for it.
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
  // Looked at last: a process that has ended can't finish the stage any more.
  const isFinished = await lstat(`${folder}/${MARKER}`).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
  return !isFinished || (await isLeft(folder))
}

/** Its session would have removed it, but was killed together with whatever would have done it then. */
async function isLeft(folder: string): Promise<boolean> {
  const session = (await readRecord(folder))?.session
  return session !== undefined && isDead(session) && processesUsing(await realpath(folder)).length === 0
}
