import type { Stats } from 'node:fs'
import { type FileHandle, lstat, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isOurs } from '../archive/reader.ts'

export interface Retention {
  /** Days after which an archive that nobody used is removed; Infinity: never. */
  days: number
  /** How many are kept, those last used first; Infinity: all. */
  archives: number
}

const DAY_MS = 86_400_000

/** Well above the time between two notes of use: what somebody may be staging right now is never removed. */
const IN_USE_MS = DAY_MS
const NOTE_MS = DAY_MS / 2

/**
 * Notes in its access time that an archive was used: where disks are mounted with noatime, nothing else does. Only the
 * user's own can be, and need be: others are never removed. A failure is no reason not to stage.
 */
export async function noteUse(handle: FileHandle, uid: number): Promise<void> {
  const stat = await handle.stat()
  if (stat.uid !== uid || Date.now() - stat.atimeMs < NOTE_MS) return
  await handle.utimes(new Date(), stat.mtime).catch(() => {})
}

/**
 * Removes what the user has not used for long from folders that hold the archives of many environments. Taken are files of
 * the user's own that have the name and the contents of an archive there; all else is left alone.
 * @returns the archives that are gone
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

/** As archiveCandidates() names those that don't lie beside their environment. */
const NAME = /-[0-9a-f]{12}\.(tar\.zst|tar\.gz|tar|zip)$/

/** With the time of last use, in milliseconds since 1970. */
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

/** False where it is none of ours, or can't be removed. */
async function remove(path: string): Promise<boolean> {
  try {
    if (!(await isOurs(path))) return false
    await unlink(path)
    return true
  } catch {
    return false
  }
}
