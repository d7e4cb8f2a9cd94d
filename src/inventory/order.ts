import type { BytePath } from '../model/byte-path.ts'
import type { Entry, FileEntry, HardlinkEntry } from '../model/entry.ts'

/**
 * The order in which content goes into an archive: folders, symbolic links, then the files of each conda package by
 * path, those of no package last (they change most), each file followed by its hard links. So whatever one package's
 * update touches lies together, and nothing comes before the folder or the file that it needs.
 */
export function archiveOrder(entries: readonly Entry[]): Entry[] {
  const folders: Entry[] = []
  const symlinks: Entry[] = []
  const files: FileEntry[] = []
  const links = new Map<BytePath, HardlinkEntry[]>()
  for (const entry of entries) {
    if (entry.type === 'directory') folders.push(entry)
    else if (entry.type === 'symlink') symlinks.push(entry)
    else if (entry.type === 'file') files.push(entry)
    else links.set(entry.target, [...(links.get(entry.target) ?? []), entry])
  }
  files.sort(byPackage)
  const linked = files.flatMap((file): Entry[] => [file, ...(links.get(file.path) ?? [])])
  return [...folders, ...symlinks, ...linked]
}

function byPackage(a: FileEntry, b: FileEntry): number {
  if (a.package !== b.package) {
    if (a.package === undefined) return 1
    if (b.package === undefined) return -1
    return a.package < b.package ? -1 : 1
  }
  return a.path < b.path ? -1 : 1
}
