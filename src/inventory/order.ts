import { byPath } from '../model/byte-path.ts'
import type { DirectoryEntry } from '../model/entry.ts'
import type { Listed, ListedName } from '../model/listed.ts'

/**
 * The order in which content goes into an archive: folders, symbolic links, then the files of each conda package by path,
 * and last those of no package, which change most. So the files that one package's update touches lie together, and nothing
 * comes before its folder.
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
  return { folders, symlinks, files: files.sort(byPackage) }
}

export function byPackage(a: ListedName, b: ListedName): number {
  if (a.package !== b.package) {
    if (a.package === undefined) return 1
    if (b.package === undefined) return -1
    return a.package < b.package ? -1 : 1
  }
  return byPath(a, b)
}
