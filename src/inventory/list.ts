import { type BigIntStats, type Dirent, lstatSync, readdirSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { StageError } from '../errors.ts'
import { type BytePath, byPath, displayPath, fsPath } from '../model/byte-path.ts'
import type { DirectoryEntry } from '../model/entry.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace } from '../platform/pace.ts'
import { throwIfCancelled } from './cancel.ts'
import type { IsExcluded } from './exclusions.ts'
import { lstatPath } from './fd.ts'
import { settled } from './settle.ts'

export interface ListOptions {
  isExcluded: IsExcluded
  /** From conda-meta; gives files their package and placeholder, and is what `missing` is measured against. */
  records?: ReadonlyMap<BytePath, Omit<ListedName, 'type' | 'path'>>
  /** What is known already of how fast the file system answers. */
  pace?: Pace
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
  /** Recorded by conda but not there. Compiled `.pyc` files are not counted: Python makes them anew. */
  missing: BytePath[]
}

/**
 * Lists all folders of an environment: one look-up and one listing for each folder, none for what is in it. Symbolic
 * links are kept as such, never followed; mount points are part of the tree. Each folder's mtime is taken before its
 * listing, so that a change in between makes the archive stale, not wrong.
 * @throws StageError UNREADABLE, CHANGED (a folder vanished), CANCELLED.
 */
export async function listTree(environment: { prefix: string }, options: ListOptions): Promise<Listing> {
  const { prefix } = environment
  const { pace = new Pace() } = options
  const entries: Listed[] = []
  const skipped: Skipped[] = []
  const pending: BytePath[] = ['']
  await drain(pending, IN_FLIGHT, async (path) => {
    throwIfCancelled(options.signal, prefix)
    try {
      const folder = await lookAtFolder(prefix, path, pace)
      for (const { name, type } of await namesIn(fsPath(prefix, path), pace)) {
        const child = path === '' ? name : `${path}/${name}`
        if (options.isExcluded(child)) continue
        if (type === 'directory') pending.push(child)
        else if (type === 'file' || type === 'symlink')
          entries.push({ type, path: child, ...options.records?.get(child) })
        else skipped.push({ path: child, reason: type })
      }
      entries.push(folder)
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

/** Without a thread for the call, as long as the file system answers at once. */
async function statsOf(name: Buffer, isPrefix: boolean, pace: Pace): Promise<BigIntStats> {
  // The prefix itself may be given by a symbolic link.
  if (isPrefix) return await stat(name, { bigint: true })
  return pace.isQuick ? pace.measure(() => lstatSync(name, { bigint: true })) : await lstatPath(name)
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
 * Names and types. Where the file system tells no types (NFS without READDIRPLUS, old XFS), Node asks for each of them;
 * one that vanishes meanwhile fails the whole call, and then the others are asked for one by one.
 */
async function namesIn(folder: Buffer, pace: Pace): Promise<Named[]> {
  try {
    const names = pace.isQuick && namesInSync(folder, pace)
    if (names) return names
    // As buffers: only so can Node join a name of any bytes to the folder's, when it asks for a type.
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

/** Undefined where the file system tells no types. */
function namesInSync(folder: Buffer, pace: Pace): Named[] | undefined {
  let found: Dirent[] = []
  const list = (): Dirent[] => {
    found = readdirSync(folder, { withFileTypes: true, encoding: 'latin1' })
    return found
  }
  try {
    const names = pace.measure(list, () => QUICK_NAMES_MS * (1 + found.length / QUICK_NAMES))
    return names.map((one) => ({ name: one.name, type: typeOf(one) }))
  } catch (error) {
    // Node wants to look at a name for its type, and can't join it to a folder's.
    if (codeOf(error) === 'ERR_INVALID_ARG_TYPE') return undefined
    throw error
  }
}

/** Listing so many names from memory takes half of so many milliseconds at most. */
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

export const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ESTALE'].includes(codeOf(error))

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

/** What running programs make and remove at any time: byte code, NFS's names for deleted open files, temporary files. */
export const isTransient = (path: BytePath): boolean =>
  /(?:^|\/)(?:__pycache__(?:\/.*)?|\.nfs[0-9a-f]+|\.?tmp[^/]*|[^/]*(?:\.tmp|~))$/.test(path)

/** Whether a failure to open the file means that it is one of those, and is gone. */
export const mayVanish = (path: BytePath, error: unknown): boolean => codeOf(error) === 'CHANGED' && isTransient(path)

/** The error for people; anything that is not about the file system is passed on. */
export function listError(prefix: string, path: BytePath, error: unknown): unknown {
  if (error instanceof StageError || codeOf(error) === '') return error
  const shown = path === '' ? prefix : `${prefix}/${displayPath(path)}`
  if (isGone(error)) return vanished(shown, error)
  return new StageError('UNREADABLE', `${shown} can't be read (${codeOf(error)})`, {
    path: shown,
    hint: "Ask the environment's owner for read permission, or repair or remove it.",
    cause: error,
  })
}

/** @param shown the whole path, for people */
export function vanished(shown: string, cause?: unknown): StageError {
  return new StageError('CHANGED', `${shown} vanished while the environment was being listed`, {
    path: shown,
    hint: 'Wait until nothing is being installed into the environment, then try again.',
    cause,
  })
}
