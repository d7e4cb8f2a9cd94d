import { chmodSync, type Dirent, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import { mountsBelow, parseMountInfo, readMountInfo } from '../platform/mounts.ts'

/**
 * Removes a folder of this user with all its contents, including read-only folders. Symbolic links are removed, not followed.
 * Files that are gone already, or that another process is removing, too, are no error.
 *
 * Works folder by folder with synchronous calls: 31,000 files on tmpfs take 0.6 s of CPU that way, and 1.5 s in libuv's pool.
 * @param onRemoved called after each folder with the number of files that are gone
 * @throws StageError TARGET_UNSAFE, before anything is removed, if something is mounted inside
 */
export async function removeTree(root: string, onRemoved: (files: number) => void = () => {}): Promise<void> {
  await assertNothingMounted(root)
  const device = ignoringMissing(() => lstatSync(root).dev)
  if (device === undefined) return
  const pending: BytePath[] = ['']
  const emptied: BytePath[] = []
  let files = 0
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    emptied.push(folder)
    const { folders, removed } = emptyFolder(root, folder, device)
    pending.push(...folders)
    files += removed
    onRemoved(files)
    await nextTurn()
  }
  // In reverse order each folder comes before its parent.
  for (const folder of emptied.reverse()) ignoringMissing(() => rmdirSync(fsPath(root, folder)))
}

/** @throws StageError TARGET_UNSAFE if something is mounted below `root`, including a bind mount of the same disk */
export async function assertNothingMounted(root: string): Promise<void> {
  const parent = await realpath(dirname(root)).catch(() => dirname(root))
  const inside = mountsBelow(join(parent, basename(root)), parseMountInfo(readMountInfo()))[0]
  if (inside !== undefined) throw mounted(inside)
}

/** Unlinks everything but folders. Returns the folders, and how many files are gone. */
function emptyFolder(root: string, folder: BytePath, device: number): { folders: BytePath[]; removed: number } {
  const path = fsPath(root, folder)
  const facts = ignoringMissing(() => lstatSync(path))
  if (!facts?.isDirectory()) return { folders: [], removed: 0 }
  if (facts.dev !== device) throw mounted(displayPath(path.toString('latin1')))
  if ((facts.mode & 0o700) !== 0o700) ignoringMissing(() => chmodSync(path, 0o700))
  const below = (child: Dirent<Buffer>): BytePath => {
    const name = child.name.toString('latin1')
    return folder === '' ? name : `${folder}/${name}`
  }
  const folders: BytePath[] = []
  let removed = 0
  // As buffers: if the disk reports no types, Node can join only these to the folder's name.
  for (const child of ignoringMissing(() => readdirSync(path, { withFileTypes: true, encoding: 'buffer' })) ?? [])
    if (child.isDirectory()) folders.push(below(child))
    else {
      ignoringMissing(() => unlinkSync(fsPath(root, below(child))))
      removed++
    }
  return { folders, removed }
}

function mounted(path: string): StageError {
  return new StageError('TARGET_UNSAFE', `Something is mounted on ${path}: that folder was not removed`, {
    path,
    hint: `Unmount it first: umount ${path}`,
  })
}

function ignoringMissing<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}
