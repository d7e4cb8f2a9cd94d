import { type BigIntStats, lstatSync } from 'node:fs'
import { type BytePath, byPath, displayPath, fsPath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import type { ListedName } from '../model/listed.ts'
import { lstatPath } from '../platform/fd.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace } from '../platform/pace.ts'
import { readlink } from '../platform/remote-fs.ts'
import { isGone } from '../platform/unreadable.ts'
import { throwIfCancelled } from './cancel.ts'
import { isTransient, type ListOptions, listError, listTree, vanished } from './list.ts'

export interface EntryOfInode {
  entry: Entry
  /** Set if the file has further names, inside the environment or outside (conda's package cache). */
  inode?: string
}

/**
 * Looks at everything in an environment once. Sorted by path; the first entry is the prefix itself (path '').
 * @throws StageError UNREADABLE, CHANGED (something vanished), CANCELLED.
 */
export async function inventory(environment: { prefix: string }, options: ListOptions): Promise<Entry[]> {
  const { prefix } = environment
  const { entries } = await listTree(environment, options)
  const found: EntryOfInode[] = entries.flatMap((entry) => (entry.type === 'directory' ? [{ entry }] : []))
  const pace = new Pace(options)
  const names = entries.filter((entry) => entry.type !== 'directory')
  await drain(names, IN_FLIGHT, async (name) => {
    throwIfCancelled(options.signal, prefix)
    try {
      found.push(await look(prefix, name, pace))
    } catch (error) {
      if (!(isGone(error) && isTransient(name.path))) throw listError(prefix, name.path, error)
    }
  })
  return linked(found)
}

async function look(
  prefix: string,
  { path, package: owner, placeholder }: ListedName,
  pace: Pace,
): Promise<EntryOfInode> {
  const name = fsPath(prefix, path)
  const stats = await statsOf(name, pace)
  const common = { path, mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
  if (stats.isSymbolicLink()) return { entry: { type: 'symlink', ...common, target: await readlink(name, 'latin1') } }
  if (!stats.isFile()) throw vanished(`${prefix}/${displayPath(path)}`)
  const recorded = { ...(owner !== undefined && { package: owner }), ...(placeholder && { placeholder }) }
  const entry: Entry = { type: 'file', ...common, size: Number(stats.size), ...recorded }
  return stats.nlink > 1n ? { entry, inode: `${stats.dev}:${stats.ino}` } : { entry }
}

export async function statsOf(name: Buffer, pace: Pace): Promise<BigIntStats> {
  return pace.isImmediate ? pace.measure(() => lstatSync(name, { bigint: true })) : lstatPath(name)
}

/** Sorts the entries, and makes every further name of a file a hard link to the first. */
export function linked(found: EntryOfInode[]): Entry[] {
  found.sort((a, b) => byPath(a.entry, b.entry))
  const first = new Map<string, BytePath>()
  return found.map(({ entry, inode }) => {
    if (inode === undefined) return entry
    const target = first.get(inode)
    if (target !== undefined) {
      return { type: 'hardlink', path: entry.path, mode: entry.mode, mtimeNs: entry.mtimeNs, target }
    }
    first.set(inode, entry.path)
    return entry
  })
}
