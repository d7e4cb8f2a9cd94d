import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import { lstat, readdir, stat } from '../platform/remote-fs.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'
import type { Seen } from './difference.ts'

/** One lstat. Undefined if there is nothing, or a socket, FIFO or device, which no archive holds. */
export async function entryOnDisk(prefix: string, path: BytePath): Promise<Seen | undefined> {
  const name = fsPath(prefix, path)
  // The prefix itself may be a symbolic link.
  const stats = await orNothing(
    prefix,
    path,
    path === '' ? stat(name, { bigint: true }) : lstat(name, { bigint: true }),
  )
  if (stats === undefined) return undefined
  const common = { mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
  if (stats.isDirectory()) return { type: 'directory', ...common }
  if (stats.isSymbolicLink()) return { type: 'symlink', ...common }
  return stats.isFile() ? { type: 'file', ...common, size: Number(stats.size) } : undefined
}

/** The paths directly in a folder; none if it is gone. */
export async function pathsOnDisk(prefix: string, folder: BytePath): Promise<BytePath[]> {
  const names = await orNothing(prefix, folder, readdir(fsPath(prefix, folder), 'latin1'))
  return (names ?? []).map((name) => (folder === '' ? name : `${folder}/${name}`))
}

async function orNothing<T>(prefix: string, path: BytePath, result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isGone(error)) return undefined
    throw unreadable(path === '' ? prefix : `${prefix}/${displayPath(path)}`, error)
  }
}
