import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath } from '../model/byte-path.ts'
import { removingName } from './names.ts'
import { folderOf } from './record.ts'

/** PATH_MAX of Linux, without the NUL at the end. */
const LONGEST_PATH = 4095

/**
 * A path beyond what a call can take could be made step by step, but no program could use it.
 * @throws StageError TARGET_UNWRITABLE if a path in the copy would be longer, there or under the name by which it is removed
 */
export function assertPathsFit(prefix: string, entries: readonly { path: BytePath }[]): void {
  let longest: BytePath = ''
  for (const { path } of entries) if (path.length > longest.length) longest = path
  const folder = folderOf(prefix) ?? dirname(prefix)
  const removed = `${dirname(folder)}/${removingName()}${prefix.slice(folder.length)}`
  const bytes = Math.max(Buffer.byteLength(prefix), Buffer.byteLength(removed)) + '/'.length + longest.length
  if (bytes <= LONGEST_PATH) return
  const path = `${prefix}/${displayPath(longest)}`
  throw new StageError('TARGET_UNWRITABLE', `${path} would be longer than a path can be (${LONGEST_PATH} bytes)`, {
    path,
    hint: 'Name a folder with a shorter path with --path or CONDA_STAGE_PATH.',
  })
}
