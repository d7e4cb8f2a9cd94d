import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { isOurs } from '../archive/reader.ts'
import { ARCHIVE_FORMATS } from '../model/archive-index.ts'
import { lstat, readdir, unlink } from '../platform/remote-fs.ts'

export interface Retention {
  /** Days after which an unused archive is removed; Infinity: never. */
  days: number
  /** How many archives are kept, those that were used last; Infinity: all. */
  archives: number
}

const DAY_MS = 86_400_000

/** Well above the time between two notes of use. An archive that somebody may be staging right now is never removed. */
const IN_USE_MS = DAY_MS
const NOTE_MS = DAY_MS / 2

/**
 * Sets an archive's access time when it is used, because a disk mounted with noatime does not. This works for the user's own
 * archives only, and only those are ever removed. If it fails, staging continues.
 */
export async function noteUse(handle: FileHandle, uid: number): Promise<void> {
  try {
    const stat = await handle.stat()
    if (stat.uid === uid && Date.now() - stat.atimeMs >= NOTE_MS) await handle.utimes(new Date(), stat.mtime)
  } catch {
    // Then others believe that it was used longer ago.
  }
}

/**
 * Removes archives that the user has not used for long from folders that hold the archives of many environments. It removes only
 * files of the user that have the name and the contents of an archive.
 * @returns the removed archives
 */
export async function pruneArchives(
  folders: readonly string[],
  { days, archives }: Retention,
  { keep, uid }: { keep: string; uid: number },
): Promise<string[]> {
  if (days === Number.POSITIVE_INFINITY && archives === Number.POSITIVE_INFINITY) return []
  const found = (await Promise.all(folders.map((folder) => ownArchives(folder, uid)))).flat()
  const others = found.filter(({ path }) => path !== keep).sort((a, b) => b.used - a.used)
  const room = archives - (found.length - others.length)
  const doomed = others.filter(({ used }, rank) => {
    const age = Date.now() - used
    return age > days * DAY_MS || (rank >= room && age > IN_USE_MS)
  })
  const gone: string[] = []
  for (const { path } of doomed) if (await remove(path)) gone.push(path)
  return gone
}

/** The names that archiveCandidates() gives archives that don't lie beside their environment. */
const NAME = new RegExp(`-[0-9a-f]{12}\\.(?:${ARCHIVE_FORMATS.join('|')})$`)

/** `used` is the time of last use, in milliseconds since 1970. */
async function ownArchives(folder: string, uid: number): Promise<{ path: string; used: number }[]> {
  const names = await readdir(folder).catch(() => [])
  const found: { path: string; used: number }[] = []
  for (const name of names.filter((each) => NAME.test(each))) {
    const path = join(folder, name)
    const stat: Stats | undefined = await lstat(path).catch(() => undefined)
    if (stat?.isFile() && stat.uid === uid) found.push({ path, used: Math.max(stat.atimeMs, stat.mtimeMs) })
  }
  return found
}

/** False if it is not one of our archives, or can't be removed. */
async function remove(path: string): Promise<boolean> {
  try {
    if (!(await isOurs(path))) return false
    await unlink(path)
    return true
  } catch {
    return false
  }
}
