import type { ArchivedEntry, ArchivedFile } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Entry, FileEntry, HardlinkEntry } from '../model/entry.ts'

/**
 * The files that are as an archive has them, by path: with what is known of them now (their package may be another), and with
 * the places, digests and relocations that the archive's index tells.
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

/** A placeholder decides what the scanner makes of what it finds, so with another one the file has to be scanned anew. */
function isSame(old: FileEntry, now: FileEntry): boolean {
  const { placeholder } = now
  return (
    isUntouched(old, now) && old.placeholder?.text === placeholder?.text && old.placeholder?.mode === placeholder?.mode
  )
}

export const isUntouched = (old: FileEntry, now: FileEntry): boolean =>
  old.size === now.size && old.mtimeNs === now.mtimeNs && old.mode === now.mode

/**
 * The same entries, but of a file with several names the archive's is the file and the others are its hard links: so that
 * its content need not be read again for the sake of another name.
 */
export function withKnownNames(known: readonly ArchivedEntry[], entries: readonly Entry[]): Entry[] {
  const before = new Map(known.map((entry) => [entry.path, entry]))
  const names = new Map<BytePath, HardlinkEntry[]>()
  for (const entry of entries)
    if (entry.type === 'hardlink') names.set(entry.target, [...(names.get(entry.target) ?? []), entry])
  /** The name to take instead, by the name that the entries have. */
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
