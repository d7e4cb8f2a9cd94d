import { SCRIPT_FOLDERS } from '../model/auto-scripts.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Difference } from './difference.ts'
import { entryOnDisk, pathsOnDisk } from './on-disk.ts'

/**
 * Automatic staging may make and remove the folders of activation scripts. Its own scripts are no part of the environment. So a
 * folder that is new or gone counts only if it holds, or held, something else.
 */
export const isScriptFolder = ({ path, kind }: Difference): boolean =>
  (kind === 'added' || kind === 'removed') && SCRIPT_FOLDERS.includes(path)

/** Whether any of these paths of the environment is below the folder, apart from other script folders. */
export function holdsContent(folder: BytePath, paths: Iterable<BytePath>): boolean {
  for (const path of paths) if (path.startsWith(`${folder}/`) && !SCRIPT_FOLDERS.includes(path)) return true
  return false
}

/** The same question about the disk. A file is content by itself. */
export async function holdsContentNow(
  prefix: string,
  folder: BytePath,
  isExcluded: (path: BytePath) => boolean,
): Promise<boolean> {
  if (!SCRIPT_FOLDERS.includes(folder)) return !isExcluded(folder)
  if ((await entryOnDisk(prefix, folder))?.type !== 'directory') return true
  for (const child of await pathsOnDisk(prefix, folder)) {
    if (await holdsContentNow(prefix, child, isExcluded)) return true
  }
  return false
}
