import { lstatSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { LEAVE } from '../model/auto-scripts.ts'
import { type BytePath, fsPath } from '../model/byte-path.ts'
import type { Stage } from './record.ts'

/**
 * The files that were added to a stage or changed in it since it was made: what its removal would lose. Byte code is not
 * counted, because Python writes it by itself.
 *
 * No file is read. A change of whatever kind sets the inode's change time, which nobody can set back.
 */
export async function changedFiles({ record: { prefix, created } }: Stage): Promise<BytePath[]> {
  // The record's time is cut to milliseconds, the inodes' are not.
  const since = Date.parse(created) + 1
  const changed: BytePath[] = []
  const pending: BytePath[] = ['']
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const child of readdirSync(fsPath(prefix, folder), { withFileTypes: true, encoding: 'buffer' })) {
      const name = child.name.toString('latin1')
      const path = folder === '' ? name : `${folder}/${name}`
      if (child.isDirectory()) pending.push(path)
      else if (!isByProgram(path) && (lstatSync(fsPath(prefix, path), { throwIfNoEntry: false })?.ctimeMs ?? 0) > since)
        changed.push(path)
    }
    await nextTurn()
  }
  return changed.sort()
}

/** Whether the removal of a stage would lose what a user did in it. */
export const losesChanges = async (stage: Stage): Promise<boolean> =>
  !stage.record.readOnly && (await changedFiles(stage)).length > 0

const isByProgram = (path: BytePath): boolean => path.endsWith('.pyc') || path.startsWith(LEAVE)
