import { type BigIntStats, type Dirent, lstatSync, readdirSync } from 'node:fs'
import { StageError } from '../errors.ts'
import { type BytePath, byPath, displayPath, fsPath } from '../model/byte-path.ts'
import type { DirectoryEntry } from '../model/entry.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { lstatPath } from '../platform/fd.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace } from '../platform/pace.ts'
import { readdir, stat } from '../platform/remote-fs.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'
import { throwIfCancelled } from './cancel.ts'
import type { IsExcluded } from './exclusions.ts'
import { settled } from './settle.ts'

export interface ListOptions {
  isExcluded: IsExcluded
  /** From conda-meta. Files get their package and placeholder from it, and `missing` is what it lists and the folders lack. */
  records?: ReadonlyMap<BytePath, Omit<ListedName, 'type' | 'path'>>
  /** How fast the file system answers, as far as that is known. Without it: whether it may never answer. */
  pace?: Pace
  mayHang?: boolean
  /** Called with each folder and the files in it, after the folder that it is in. */
  onFolder?: ((path: BytePath, files: readonly BytePath[]) => void) | undefined
  signal?: AbortSignal
}

export interface Skipped {
  path: BytePath
  reason: string
}

export interface Listing {
  /** Sorted by path; the first is the prefix itself (path ''). */
  entries: Listed[]
  /** Sockets, FIFOs and devices: they have no content to copy. */
  skipped: Skipped[]
  /** Recorded by conda but gone. Compiled `.pyc` files don't count: Python makes them again. */
  missing: BytePath[]
}

/**
 * Lists all folders of an environment, with one look-up and one listing for each folder and none for what is in it. Symbolic
 * links are never followed; mount points are part of the tree. Each folder's mtime is taken before its listing, so a change
 * in between makes the archive stale, not wrong.
 * @throws StageError UNREADABLE, CHANGED (a folder vanished), CANCELLED.
 */
export async function listTree(environment: { prefix: string }, options: ListOptions): Promise<Listing> {
  const { prefix } = environment
  const { pace = new Pace(options) } = options
  const entries: Listed[] = []
  const skipped: Skipped[] = []
  const pending: BytePath[] = ['']
  await drain(pending, IN_FLIGHT, async (path) => {
    throwIfCancelled(options.signal, prefix)
    try {
      const folder = await lookAtFolder(prefix, path, pace)
      const files: BytePath[] = []
      for (const { name, type } of await namesIn(fsPath(prefix, path), pace)) {
        const child = path === '' ? name : `${path}/${name}`
        if (options.isExcluded(child)) continue
        if (type === 'directory') pending.push(child)
        else if (type === 'file' || type === 'symlink')
          entries.push({ type, path: child, ...options.records?.get(child) })
        else skipped.push({ path: child, reason: type })
        if (type === 'file') files.push(child)
      }
      entries.push(folder)
      options.onFolder?.(path, files)
    } catch (error) {
      if (!(isGone(error) && isTransient(path))) throw listError(prefix, path, error)
    }
  })
  entries.sort(byPath)
  return { entries, skipped: skipped.sort(byPath), missing: missing(entries, options) }
}

async function lookAtFolder(prefix: string, path: BytePath, pace: Pace): Promise<DirectoryEntry> {
  const stats = await statsOf(fsPath(prefix, path), path === '', pace)
  await settled(stats.mtimeNs)
  return { type: 'directory', path, mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs }
}

/** Takes no thread as long as the file system answers at once. */
async function statsOf(name: Buffer, isPrefix: boolean, pace: Pace): Promise<BigIntStats> {
  // Only the prefix itself may be a symbolic link that is followed.
  if (isPrefix) return await stat(name, { bigint: true })
  return pace.isImmediate ? pace.measure(() => lstatSync(name, { bigint: true })) : await lstatPath(name)
}

type Named = { name: BytePath; type: ReturnType<typeof typeOf> }

interface Types {
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
  isSocket(): boolean
  isFIFO(): boolean
}

export function typeOf(facts: Types) {
  if (facts.isFile()) return 'file'
  if (facts.isDirectory()) return 'directory'
  if (facts.isSymbolicLink()) return 'symlink'
  return facts.isSocket() ? 'is a socket' : facts.isFIFO() ? 'is a FIFO' : 'is a device'
}

/**
 * Names and types. Some file systems list no types (NFS without READDIRPLUS, old XFS), and Node asks for each of them then. If
 * a file vanishes meanwhile, the whole call fails; the types are asked for one by one after that.
 */
async function namesIn(folder: Buffer, pace: Pace): Promise<Named[]> {
  try {
    const names = pace.isImmediate && namesInSync(folder, pace)
    if (names) return names
    // As buffers: otherwise Node can't join a name of any bytes to the folder's when it asks for a type.
    const found = await readdir(folder, { withFileTypes: true, encoding: 'buffer' })
    return found.map((one) => ({ name: one.name.toString('latin1'), type: typeOf(one) }))
  } catch (error) {
    if (!isGone(error)) throw error
  }
  const names = await readdir(folder, 'buffer')
  const asked = names.map(async (name): Promise<Named[]> => {
    try {
      const type = typeOf(await lstatPath(Buffer.concat([folder, Buffer.from('/'), name])))
      return [{ name: name.toString('latin1'), type }]
    } catch (error) {
      if (isGone(error)) return []
      throw error
    }
  })
  return (await Promise.all(asked)).flat()
}

/** `undefined` if the file system lists no types. */
function namesInSync(folder: Buffer, pace: Pace): Named[] | undefined {
  const list = (): Dirent[] => readdirSync(folder, { withFileTypes: true, encoding: 'latin1' })
  try {
    const names = pace.measure(list, ({ length }) => QUICK_NAMES_MS * (1 + length / QUICK_NAMES))
    return names.map((one) => ({ name: one.name, type: typeOf(one) }))
  } catch (error) {
    // Node wants to look up a name's type, and can't join the name to the folder's.
    if (codeOf(error) === 'ERR_INVALID_ARG_TYPE') return undefined
    throw error
  }
}

/** Listing so many names from memory takes half of this time at most. Milliseconds. */
const QUICK_NAMES = 1000
const QUICK_NAMES_MS = 0.3

export function missing(entries: readonly { path: BytePath }[], { records, isExcluded }: ListOptions): BytePath[] {
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

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

/** Files that programs make and remove at any time: byte code, NFS's names for deleted open files, temporary files. */
export const isTransient = (path: BytePath): boolean =>
  /(?:^|\/)(?:__pycache__(?:\/.*)?|\.nfs[0-9a-f]+|\.?tmp[^/]*|[^/]*(?:\.tmp|~))$/.test(path)

/** Whether a failure to open the file means that it is one of those and is gone. */
export const mayVanish = (path: BytePath, error: unknown): boolean => codeOf(error) === 'CHANGED' && isTransient(path)

/** The error for people. Errors that don't come from the file system are passed on. */
export function listError(prefix: string, path: BytePath, error: unknown): unknown {
  const shown = path === '' ? prefix : `${prefix}/${displayPath(path)}`
  return isGone(error) ? vanished(shown, error) : unreadable(shown, error)
}

/** @param shown the whole path, for people */
export function vanished(shown: string, cause?: unknown): StageError {
  return new StageError('CHANGED', `${shown} vanished while the environment was being listed`, {
    path: shown,
    hint: 'Wait until nothing is being installed into the environment, then try again.',
    cause,
  })
}
