import { byPath } from '../model/byte-path.ts'
import type { DirectoryEntry } from '../model/entry.ts'
import type { Listed, ListedName } from '../model/listed.ts'

/**
 * The order in which content goes into an archive: folders, symbolic links, then the files by path. So what is read after one
 * another lies in the same folder, whose name the file system has just looked up; and what a package's update touches lies
 * together, because packages have folders.
 */
export function archiveOrder(entries: readonly Listed[]) {
  const folders: DirectoryEntry[] = []
  const symlinks: ListedName[] = []
  const files: ListedName[] = []
  for (const entry of entries) {
    if (entry.type === 'directory') folders.push(entry)
    else if (entry.type === 'symlink') symlinks.push(entry)
    else files.push(entry)
  }
  return { folders, symlinks, files: files.sort(byPath) }
}
