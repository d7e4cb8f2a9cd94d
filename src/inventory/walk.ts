import { type BigIntStats, lstatSync } from 'node:fs'
import { readdir, readlink, stat } from 'node:fs/promises'
import { StageError } from '../errors.ts'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import type { Entry, FileEntry } from '../model/entry.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace } from '../platform/pace.ts'
import { throwIfCancelled } from './cancel.ts'
import type { IsExcluded } from './exclusions.ts'
import { lstatPath } from './fd.ts'
import { settled } from './settle.ts'

/** What conda's records say about one path. */
export interface Recorded {
  package: string
  placeholder?: NonNullable<FileEntry['placeholder']>
}

export interface InventoryOptions {
  isExcluded: IsExcluded
  /** From conda-meta; gives files their package and placeholder, and is what `missing` is measured against. */
  records?: ReadonlyMap<BytePath, Recorded>
  signal?: AbortSignal
  /** Called with each entry as it is found, in no order. */
  onFound?(path: BytePath): void
}

export interface Inventory {
  /** Sorted by path; the first is the prefix itself (path ''). */
  entries: Entry[]
  /** Sockets, FIFOs and devices: they have no content to copy. */
  skipped: { path: BytePath; reason: string }[]
  /** Recorded by conda but not there. Compiled `.pyc` files are not counted: Python makes them anew. */
  missing: BytePath[]
}

export interface Found {
  entry: Entry
  /** Set where the file has further names, inside the environment or (conda's package cache) outside. */
  inode?: string
}

/**
 * Lists everything in an environment. Symbolic links are kept as such, never followed; mount points are part of the tree.
 * Each folder's mtime is taken before its listing, so that a change in between makes the archive stale, not wrong.
 * @throws StageError UNREADABLE, CHANGED (something vanished), CANCELLED.
 */
export async function inventory(environment: { prefix: string }, options: InventoryOptions): Promise<Inventory> {
  const found: Found[] = []
  const skipped: Inventory['skipped'] = []
  const pending: BytePath[] = ['']
  const pace = new Pace()
  await drain(pending, IN_FLIGHT, async (path) => {
    throwIfCancelled(options.signal, environment.prefix)
    try {
      const one = await look(environment.prefix, path, pace, options.records?.get(path))
      if ('reason' in one) {
        skipped.push(one)
        return
      }
      if (one.entry.type === 'directory') await list(environment.prefix, one.entry, options.isExcluded, pending)
      found.push(one)
      options.onFound?.(path)
    } catch (error) {
      if (!(isGone(error) && isTransient(path))) throw unreadable(environment.prefix, path, error)
    }
  })
  const entries = linked(found)
  return { entries, skipped: skipped.sort(byPath), missing: missing(entries, options) }
}

export async function look(
  prefix: string,
  path: BytePath,
  pace: Pace,
  recorded: Recorded | undefined,
): Promise<Found | { path: BytePath; reason: string }> {
  const name = fsPath(prefix, path)
  // The prefix itself may be given by a symbolic link.
  const stats = path === '' ? await stat(name, { bigint: true }) : await statsOf(name, pace)
  const common = { path, mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
  if (stats.isDirectory()) return { entry: { type: 'directory', ...common } }
  if (stats.isSymbolicLink()) {
    return { entry: { type: 'symlink', ...common, target: await readlink(name, 'latin1') } }
  }
  if (stats.isFile()) {
    const entry: FileEntry = { type: 'file', ...common, size: Number(stats.size), ...recorded }
    return stats.nlink > 1n ? { entry, inode: `${stats.dev}:${stats.ino}` } : { entry }
  }
  return { path, reason: stats.isSocket() ? 'is a socket' : stats.isFIFO() ? 'is a FIFO' : 'is a device' }
}

async function statsOf(name: Buffer, pace: Pace): Promise<BigIntStats> {
  return pace.isQuick ? pace.measure(() => lstatSync(name, { bigint: true })) : lstatPath(name)
}

async function list(prefix: string, folder: Entry, isExcluded: IsExcluded, pending: BytePath[]): Promise<void> {
  await settled(folder.mtimeNs)
  for (const name of await readdir(fsPath(prefix, folder.path), 'latin1')) {
    const path = folder.path === '' ? name : `${folder.path}/${name}`
    if (!isExcluded(path)) pending.push(path)
  }
}

/** Sorts, and turns every further name of a file into a hard link to the first. */
export function linked(found: Found[]): Entry[] {
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

export function missing(entries: readonly Entry[], { records, isExcluded }: InventoryOptions): BytePath[] {
  if (records === undefined) return []
  const there = new Set(entries.map((entry) => entry.path))
  const gone = [...records.keys()].filter((path) => !there.has(path) && !/\.py[co]$/.test(path))
  return gone.filter((path) => !isBelowExcluded(path, isExcluded)).sort()
}

function isBelowExcluded(path: BytePath, isExcluded: IsExcluded): boolean {
  for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
    if (isExcluded(path.slice(0, end))) return true
  }
  return isExcluded(path)
}

const byPath = (a: { path: BytePath }, b: { path: BytePath }): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0

export const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ESTALE'].includes(codeOf(error))

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

/** What running programs make and remove at any time: byte code, NFS's names for deleted open files, temporary files. */
export const isTransient = (path: BytePath): boolean =>
  /(?:^|\/)(?:__pycache__(?:\/.*)?|\.nfs[0-9a-f]+|\.?tmp[^/]*|[^/]*(?:\.tmp|~))$/.test(path)

/** The error for people; anything that is not about the file system is passed on. */
export function unreadable(prefix: string, path: BytePath, error: unknown): unknown {
  if (error instanceof StageError || codeOf(error) === '') return error
  const shown = path === '' ? prefix : `${prefix}/${displayPath(path)}`
  if (isGone(error)) {
    return new StageError('CHANGED', `${shown} vanished while the environment was being listed`, {
      path: shown,
      hint: 'Wait until nothing is being installed into the environment, then try again.',
      cause: error,
    })
  }
  return new StageError('UNREADABLE', `${shown} can't be read (${codeOf(error)})`, {
    path: shown,
    hint: "Ask the environment's owner for read permission, or repair or remove it.",
    cause: error,
  })
}
