import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { mountsBelow, parseMountInfo, readMountInfo } from '../platform/mounts.ts'

/**
 * Removes a folder of this user with all its contents, including read-only folders. Symbolic links are removed, not followed.
 * Files that are gone already, or that another process is removing, too, are no error. What can't be removed stays alone.
 *
 * Works folder by folder with synchronous calls: 31,000 files on tmpfs take 0.6 s of CPU that way, and 1.5 s in libuv's pool.
 * @param onRemoved called after each folder with the number of files that are gone
 * @throws StageError TARGET_UNSAFE, before anything is removed, if something is mounted inside; NOT_REMOVED
 */
export async function removeTree(root: string, onRemoved: (files: number) => void = () => {}): Promise<void> {
  await assertNothingMounted(root)
  const removal = new Removal(root)
  const pending: BytePath[] = ['']
  const emptied: BytePath[] = []
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    emptied.push(folder)
    pending.push(...removal.emptyFolder(folder))
    onRemoved(removal.files)
    await nextTurn()
  }
  // In reverse order each folder comes before its parent.
  for (const folder of emptied.reverse()) removal.removeFolder(folder)
  if (removal.failure) throw removal.failure
}

/** @throws StageError TARGET_UNSAFE if something is mounted below `root`, including a bind mount of the same disk */
export async function assertNothingMounted(root: string): Promise<void> {
  const parent = await realpath(dirname(root)).catch(() => dirname(root))
  const inside = mountsBelow(join(parent, basename(root)), parseMountInfo(readMountInfo()))[0]
  if (inside !== undefined) throw mounted(inside)
}

class Removal {
  /** Of the first thing that can't be removed. */
  failure: StageError | undefined
  /** How many files are gone. */
  files = 0
  readonly #root: string
  #device: number | undefined

  constructor(root: string) {
    this.#root = root
  }

  /** Unlinks everything but folders. Returns the folders. */
  emptyFolder(folder: BytePath): BytePath[] {
    const path = fsPath(this.#root, folder)
    const facts = this.#attempt(path, () => lstatSync(path))
    if (!facts?.isDirectory()) return []
    this.#device ??= facts.dev
    if (facts.dev !== this.#device) {
      this.failure ??= mounted(displayPath(path.toString('latin1')))
      return []
    }
    if ((facts.mode & 0o700) !== 0o700) this.#attempt(path, () => chmodSync(path, 0o700))
    const folders: BytePath[] = []
    // As buffers: if the disk reports no types, Node can join only these to the folder's name.
    const list = () => readdirSync(path, { withFileTypes: true, encoding: 'buffer' })
    for (const child of this.#attempt(path, list) ?? []) {
      const name = child.name.toString('latin1')
      const below = folder === '' ? name : `${folder}/${name}`
      if (child.isDirectory()) folders.push(below)
      else this.#unlink(fsPath(this.#root, below))
    }
    return folders
  }

  removeFolder(folder: BytePath): void {
    const path = fsPath(this.#root, folder)
    this.#attempt(path, () => rmdirSync(path))
  }

  #unlink(path: Buffer): void {
    this.#attempt(path, () => unlinkSync(path))
    this.files++
  }

  /** What is missing is removed. Of other failures the first counts: they also keep the folders above from being removed. */
  #attempt<T>(path: Buffer, call: () => T): T | undefined {
    try {
      return call()
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      if (errno !== 'ENOENT') this.failure ??= notRemoved(displayPath(path.toString('latin1')), errno, error)
      return undefined
    }
  }
}

function notRemoved(path: string, errno: string, cause: unknown): StageError {
  return new StageError('NOT_REMOVED', `${path} can't be removed: ${meaningOf(errno)}`, {
    path,
    hint: 'It is no part of a copy any more. The next conda-stage in that local folder tries again.',
    cause,
  })
}

function mounted(path: string): StageError {
  return new StageError('TARGET_UNSAFE', `Something is mounted on ${path}: that folder was not removed`, {
    path,
    hint: `Unmount it first: umount ${path}`,
  })
}
