import type { ArchivedEntry, ArchivedFile } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Entry, FileEntry, HardlinkEntry } from '../model/entry.ts'

/**
 * The files that are as an archive has them, by path: with their present facts (the package may have changed), and with the
 * positions, digests and relocations of the archive's index.
 */
export function unchangedFiles(
  known: readonly ArchivedEntry[],
  entries: readonly Entry[],
): Map<BytePath, ArchivedFile> {
  const before = new Map(known.map((entry) => [entry.path, entry]))
  const unchanged = new Map<BytePath, ArchivedFile>()
  for (const entry of entries) {
    const old = before.get(entry.path)
    if (entry.type !== 'file' || old?.type !== 'file' || !isSame(old, entry)) continue
    const { frame, frameOffset, digest, relocation } = old
    unchanged.set(entry.path, { ...entry, frame, frameOffset, digest, ...(relocation && { relocation }) })
  }
  return unchanged
}

/** The scanner interprets what it finds by the placeholder, so a file with another placeholder must be scanned again. */
function isSame(old: FileEntry, now: FileEntry): boolean {
  const { placeholder } = now
  return (
    isUntouched(old, now) && old.placeholder?.text === placeholder?.text && old.placeholder?.mode === placeholder?.mode
  )
}

export const isUntouched = (old: FileEntry, now: FileEntry): boolean =>
  old.size === now.size && old.mtimeNs === now.mtimeNs && old.mode === now.mode

/**
 * The same entries, except that for a file with several names the one in the archive becomes the file and the others its hard
 * links. So its content need not be read again just because another name comes first.
 */
export function withKnownNames(known: readonly ArchivedEntry[], entries: readonly Entry[]): Entry[] {
  const before = new Map(known.map((entry) => [entry.path, entry]))
  const names = new Map<BytePath, HardlinkEntry[]>()
  for (const entry of entries)
    if (entry.type === 'hardlink') names.set(entry.target, [...(names.get(entry.target) ?? []), entry])
  /** The file under the archive's name, by the name that it has in the entries. */
  const others = new Map<BytePath, FileEntry>()
  for (const entry of entries) {
    if (entry.type !== 'file' || isKnown(before.get(entry.path), entry)) continue
    const link = names.get(entry.path)?.find(({ path }) => isKnown(before.get(path), entry))
    if (link) others.set(entry.path, { ...entry, path: link.path })
  }
  return entries.map((entry): Entry => {
    const other = others.get(entry.type === 'hardlink' ? entry.target : entry.path)
    if (other === undefined || (entry.type !== 'file' && entry.type !== 'hardlink')) return entry
    if (entry.path === other.path) return other
    return { type: 'hardlink', path: entry.path, mode: other.mode, mtimeNs: other.mtimeNs, target: other.path }
  })
}

const isKnown = (old: ArchivedEntry | undefined, now: FileEntry): boolean =>
  old?.type === 'file' && isUntouched(old, now)
