import { type BytePath, parentOf } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import { holdsPackages, WATCHED, watchedIn } from '../model/watched.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { type Difference, difference, explain, isByteCode, type Seen } from './difference.ts'
import { entryOnDisk, pathsOnDisk } from './on-disk.ts'
import { rewrittenByPixi } from './pixi.ts'
import { holdsContent, holdsContentNow, isScriptFolder } from './script-folders.ts'

export type Freshness = { fresh: true } | { fresh: false; reason: string; path: BytePath }

/** The state of a path when the archive was written. @internal Exported for its tests. */
export interface Archived extends Seen {
  path: BytePath
}

/** An archive's index, or the watched entries and spot checks of its head. */
export interface ArchivedState<E = Archived> {
  entries: Iterable<E>
  spotChecks?: readonly BytePath[]
}

export interface QuickCheckOptions {
  /** Which paths are no part of the environment. The answers are those of packing. */
  isExcluded(path: BytePath): boolean
  /**
   * Gives all entries of the index, if the check got only the watched entries of the head. Called at most once, when a folder in
   * site-packages or the like has another mtime than in the archive.
   */
  all?(): Promise<Iterable<Archived>>
}

/**
 * Compares a bounded number of paths with the archive, by one lstat each. Installing and removing with conda, mamba, pip, `conda
 * env config vars` or R changes one of them. So does a file that comes, goes or is replaced directly in a watched folder, and an
 * edit in place of a spot check. Only the full check notices other edits in place.
 *
 * If a folder's mtime differs, the folder is listed; it has changed if something in it is new, gone or different. Byte code does
 * not count, because running a program from the environment writes it.
 */
export async function checkQuick(
  environment: { prefix: string },
  archived: ArchivedState,
  given: QuickCheckOptions,
): Promise<Freshness> {
  const { entries, spotChecks = [] } = archived
  const isRewritten = rewrittenByPixi(entries)
  const options = { ...given, isExcluded: (path: BytePath) => isRewritten(path) || given.isExcluded(path) }
  const watched = watchedIn(entries)
  const paths = new Set([...watched, ...spotChecks].filter((path) => !isRewritten(path)))
  const before = new Map<BytePath, Archived>()
  for (const entry of entries) if (paths.has(entry.path)) before.set(entry.path, entry)
  const seen: Difference[] = []
  const touched: BytePath[] = []
  await drain([...paths], IN_FLIGHT, async (path) => {
    const found = difference(path, before.get(path), await entryOnDisk(environment.prefix, path))
    if (found?.kind === 'touched') touched.push(path)
    else if (found !== undefined) seen.push(found)
  })
  const differences = await thatCount(seen, environment.prefix, entries, options)
  // If only files were edited, a package may have been installed too: that says more.
  if (touched.length > 0 && differences.every(({ path }) => spotChecks.includes(path))) {
    const found = await compareFolders(environment.prefix, touched, entries, options)
    const known = new Set(differences.map(({ path }) => path))
    const others = found.filter(({ path }) => !known.has(path))
    differences.push(...(await thatCount(others, environment.prefix, entries, options)))
  }
  return verdict(differences, watched)
}

async function thatCount(
  differences: Difference[],
  prefix: string,
  archived: Iterable<Archived>,
  { isExcluded }: QuickCheckOptions,
): Promise<Difference[]> {
  const paths = [...archived].map(({ path }) => path)
  const counts = await Promise.all(
    differences.map((one) => {
      if (!isScriptFolder(one)) return true
      return one.kind === 'added' ? holdsContentNow(prefix, one.path, isExcluded) : holdsContent(one.path, paths)
    }),
  )
  return differences.filter((_, index) => counts[index])
}

type Children = ReadonlyMap<BytePath, ReadonlyMap<BytePath, Archived>>

/** The differences directly in the folders, and in folders of packages also those below. */
async function compareFolders(
  prefix: string,
  folders: readonly BytePath[],
  archived: Iterable<Archived>,
  { isExcluded, all }: QuickCheckOptions,
): Promise<Difference[]> {
  const differences = new Map<BytePath, Difference>()
  const compare = async (folder: BytePath, known: Children): Promise<BytePath[]> => {
    const before = known.get(folder) ?? new Map<BytePath, Archived>()
    const now = new Set(await pathsOnDisk(prefix, folder))
    const isThere = (path: BytePath) => before.has(path) || now.has(path)
    const children = [...new Set([...before.keys(), ...now])]
    const renewed: BytePath[] = []
    const compared = children.filter((child) => !isExcluded(child) && !isByteCode(child, isThere))
    await drain(compared, IN_FLIGHT, async (child) => {
      const found = difference(child, before.get(child), now.has(child) ? await entryOnDisk(prefix, child) : undefined)
      if (found?.kind === 'touched') renewed.push(child)
      else if (found !== undefined) differences.set(child, found)
    })
    return renewed
  }
  const top = byFolder(archived)
  const below: BytePath[] = []
  for (const folder of folders) {
    const renewed = await compare(folder, top)
    // The mtime of a folder elsewhere says only that some program wrote into it.
    if (holdsPackages(folder)) below.push(...renewed)
  }
  if (differences.size === 0 && below.length > 0) {
    const everything = all === undefined ? top : byFolder(await all())
    await drain(below, IN_FLIGHT, async (folder) => {
      below.push(...(await compare(folder, everything)))
    })
  }
  return [...differences.values()]
}

function byFolder(entries: Iterable<Archived>): Children {
  const folders = new Map<BytePath, Map<BytePath, Archived>>()
  for (const entry of entries) {
    if (entry.path === '') continue
    const folder = parentOf(entry.path)
    const children = folders.get(folder)
    if (children === undefined) folders.set(folder, new Map([[entry.path, entry]]))
    else children.set(entry.path, entry)
  }
  return folders
}

/**
 * Compares the archive with all entries that the inventory found: types, sizes, mtimes, modes and targets of all but byte code.
 * The mtimes of folders don't count, because everything that came or went in them is compared itself.
 */
export function checkFull(archived: ArchivedState<Entry>, entries: Iterable<Entry>): Freshness {
  const before = new Map<BytePath, Entry>()
  for (const entry of withFirstNames(archived.entries)) before.set(entry.path, entry)
  const now = new Map<BytePath, Entry>()
  for (const entry of entries) now.set(entry.path, entry)
  const differences: Difference[] = []
  for (const path of new Set([...before.keys(), ...now.keys()])) {
    if (isByteCode(path, (source) => before.has(source) || now.has(source))) continue
    const [was, is] = [before.get(path), now.get(path)]
    const found = was && is && was.type !== is.type ? changed(path) : difference(path, was, is)
    if (found !== undefined && found.kind !== 'touched') differences.push(found)
  }
  const counts = (one: Difference): boolean => {
    const side = one.kind === 'added' ? now : before
    return !isScriptFolder(one) || side.get(one.path)?.type !== 'directory' || holdsContent(one.path, side.keys())
  }
  return verdict(differences.filter(counts), WATCHED)
}

/** If a file has several names, an archive may have its content under any of them; the inventory has it under the first by path. */
function withFirstNames(entries: Iterable<Entry>): Entry[] {
  const all = [...entries]
  const first = new Map<BytePath, BytePath>()
  for (const entry of all)
    if (entry.type === 'hardlink' && entry.path < (first.get(entry.target) ?? entry.target))
      first.set(entry.target, entry.path)
  if (first.size === 0) return all
  const files = new Map(all.flatMap((entry) => (entry.type === 'file' ? [[entry.path, entry] as const] : [])))
  return all.map((entry): Entry => {
    const target = entry.type === 'hardlink' ? entry.target : entry.path
    const name = first.get(target)
    if (name === undefined || (entry.type !== 'hardlink' && entry.type !== 'file')) return entry
    if (name === entry.path) return { ...files.get(target)!, path: name }
    return { type: 'hardlink', path: entry.path, mode: entry.mode, mtimeNs: entry.mtimeNs, target: name }
  })
}

const changed = (path: BytePath): Difference => ({ path, kind: 'changed' })

/** Names the first difference, and counts the others. Paths in `order` come before all others. */
function verdict(differences: Difference[], order: readonly BytePath[]): Freshness {
  if (differences.length === 0) return { fresh: true }
  const rank = ({ path }: Difference): number => {
    const at = order.indexOf(path)
    return at === -1 ? order.length : at
  }
  differences.sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1))
  const [first, ...others] = differences as [Difference, ...Difference[]]
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return { fresh: false, reason: `${explain(first)}${more}`, path: first.path }
}
