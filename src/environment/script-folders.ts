import { SCRIPT_FOLDERS } from '../model/auto-scripts.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Difference } from './difference.ts'
import { entryOnDisk, pathsOnDisk } from './on-disk.ts'

/**
 * Folders of activation scripts come and go with those of automatic staging, which are no part of the environment. So one that
 * is new or gone counts only if it holds, or held, something else.
 */
export const isScriptFolder = ({ path, kind }: Difference): boolean =>
  (kind === 'added' || kind === 'removed') && SCRIPT_FOLDERS.includes(path)

/** Whether any of the paths, which are those of the environment, is below the folder. */
export function holdsContent(folder: BytePath, paths: Iterable<BytePath>): boolean {
  for (const path of paths) if (path.startsWith(`${folder}/`) && !SCRIPT_FOLDERS.includes(path)) return true
  return false
}

/** The same for what is there now. A file is content by itself. */
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
