import type { BigIntStats } from 'node:fs'
import { throwIfCancelled } from '../../inventory/cancel.ts'
import { typeOf } from '../../inventory/list.ts'
import { type BytePath, byPath, displayPath, fsPath } from '../../model/byte-path.ts'
import { lstatPath } from '../../platform/fd.ts'
import { drain, IN_FLIGHT } from '../../platform/in-flight.ts'
import { readdir, readlink } from '../../platform/remote-fs.ts'
import { unreadable } from '../../platform/unreadable.ts'

/** All that lstat says of something in an environment. */
export interface Facts {
  path: BytePath
  /** A predicate, such as `is a socket`, for what is no file, folder or link. */
  type: ReturnType<typeof typeOf>
  mode: number
  uid: number
  gid: number
  size: number
  mtimeNs: bigint
  ctimeNs: bigint
  /** Which file it is. Names of one file have the same. */
  inode: string
  dev: bigint
  /** Of a symbolic link. */
  target?: BytePath
}

/** By path; the first is the folder itself (path ''). */
export type Tree = ReadonlyMap<BytePath, Facts>

/**
 * Looks at everything in a folder. Unlike the inventory of an environment, it leaves nothing out.
 * @throws StageError UNREADABLE, CANCELLED
 */
export async function treeOf(root: string, signal?: AbortSignal): Promise<Tree> {
  const found: Facts[] = []
  const pending: BytePath[] = ['']
  await drain(pending, IN_FLIGHT, async (path) => {
    throwIfCancelled(signal, root)
    const name = fsPath(root, path)
    try {
      const facts = factsOf(path, await lstatPath(name))
      if (facts.type === 'symlink') facts.target = await readlink(name, 'latin1')
      if (facts.type === 'directory')
        for (const child of await readdir(name, 'latin1')) pending.push(path === '' ? child : `${path}/${child}`)
      found.push(facts)
    } catch (error) {
      throw unreadable(`${root}/${displayPath(path)}`, error)
    }
  })
  return new Map(found.sort(byPath).map((facts) => [facts.path, facts]))
}

const factsOf = (path: BytePath, stats: BigIntStats): Facts => ({
  path,
  type: typeOf(stats),
  mode: Number(stats.mode & 0o7777n),
  uid: Number(stats.uid),
  gid: Number(stats.gid),
  size: Number(stats.size),
  mtimeNs: stats.mtimeNs,
  ctimeNs: stats.ctimeNs,
  inode: `${stats.dev}:${stats.ino}`,
  dev: stats.dev,
})

/**
 * The first path that is not as it was; undefined if all are. Whatever changes a file, its mode, or the names in a folder sets
 * the ctime, which nobody can set back.
 * @param isRenamed the folder itself was renamed in between, which may set its ctime
 */
export function changeBetween(before: Tree, after: Tree, { isRenamed = false } = {}): BytePath | undefined {
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)]
    if (was === undefined || is === undefined || was.inode !== is.inode) return path
    const isSame = was.size === is.size && was.mtimeNs === is.mtimeNs && was.mode === is.mode
    if (!isSame || (was.ctimeNs !== is.ctimeNs && !(isRenamed && path === ''))) return path
  }
  return undefined
}
