import { type BytePath, parentOf } from './byte-path.ts'
import type { Entry, FileEntry } from './entry.ts'

/**
 * What the quick check looks at: files that tools rewrite in place, folders whose mtime changes when something in them comes,
 * goes or is replaced, and single files, the spot checks, that people edit in place.
 */

const FILES: readonly BytePath[] = ['conda-meta/history', 'conda-meta/state', 'pyvenv.cfg']

const FOLDERS: readonly BytePath[] = [
  'conda-meta',
  '',
  'bin',
  'lib',
  'etc',
  'share',
  'etc/conda',
  'etc/conda/activate.d',
  'etc/conda/deactivate.d',
  'etc/conda/env_vars.d',
  'lib/R/library',
  'lib/node_modules',
  'share/jupyter/kernels',
]

/** What can be watched in every environment, in the order in which differences are reported. */
export const WATCHED: readonly BytePath[] = [...FILES, ...FOLDERS]

/** Each holds a site-packages that is watched too. The folder of another Python shows in `lib`. */
const PYTHON = /^lib\/python[^/]*$/
const SITE_PACKAGES = /^lib\/python[^/]*\/site-packages$/

const folders = new Set(FOLDERS)

/** Whether the quick check looks at this folder itself. If its mtime differs, the check also looks at what stands directly in it. */
const isWatchedFolder = (path: BytePath): boolean => folders.has(path) || SITE_PACKAGES.test(path)

/** Whether this is a watched folder, or stands directly in one. */
export const isWatched = (path: BytePath): boolean => isWatchedFolder(path) || isWatchedFolder(parentOf(path))

/** Folders of packages. An update may keep all names in them and renew what is below. */
export const holdsPackages = (path: BytePath): boolean => /\/(?:site-packages|library|node_modules|kernels)$/.test(path)

type Known = Pick<Entry, 'path' | 'type'>

/**
 * The watched files and folders to look at in an environment with these entries. A path that is missing needs no look if its
 * folder is watched: should it come, the folder gets another mtime.
 */
export function watchedIn(entries: Iterable<Known>): BytePath[] {
  const all = [...entries]
  const pythons = all.filter(({ path, type }) => type === 'directory' && PYTHON.test(path))
  const candidates = [...WATCHED, ...pythons.map(({ path }) => `${path}/site-packages`)]
  const wanted = new Set([...candidates, ...candidates.map(parentOf)])
  const known = new Set(all.flatMap(({ path }) => (wanted.has(path) ? [path] : [])))
  return candidates.filter((path) => {
    const folder = parentOf(path)
    return known.has(path) || (known.has(folder) && !isWatchedFolder(folder))
  })
}

/**
 * The most look-ups that a quick check makes, where each folder on the way to a path counts once. Finding the environment and its
 * archive takes about ten more operations, and all together may take 40.
 */
const MOST_LOOK_UPS = 26

/** Files that each session, each Python or each Jupyter goes by. */
const STARTUP =
  /^(?:etc\/conda\/(?:activate|deactivate|env_vars)\.d\/[^/]+|lib\/python[^/]*\/site-packages\/[^/]+\.(?:pth|egg-link)|lib\/python[^/]*\/(?:site-packages\/)?(?:site|user)customize\.py|share\/jupyter\/kernels\/[^/]+\/kernel\.json)$/

/** Ends of startup files that do not stand directly in a watched folder. */
const DEEPER = /(?:customize\.py|\/kernel\.json)$/

/** Package managers replace records, and Python writes byte code. Neither is edited. */
const UNEDITED = /^conda-meta\/[^/]+\.json$|\.py[co]$/

/**
 * Chooses the files that the quick check looks at besides, because an edit in place changes no folder's mtime. There may be
 * thousands of such files, so the choice goes by what people edit and what matters, until the look-ups are used up: startup
 * files before others that stand directly in watched folders, files of no conda package before files of one, of these some of
 * every folder, and of one folder the files that were written last. In a small environment that is every file directly in a watched folder.
 */
export function chooseSpotChecks(entries: readonly Entry[]): BytePath[] {
  const lookUps = new Set<BytePath>()
  for (const path of watchedIn(entries)) for (const name of wayTo(path)) lookUps.add(name)
  const chosen: BytePath[] = []
  for (const { path } of candidatesIn(entries)) {
    if (lookUps.size >= MOST_LOOK_UPS) break
    const way = wayTo(path).filter((name) => !lookUps.has(name))
    // A file further down may be too far, where one close by is not.
    if (lookUps.size + way.length > MOST_LOOK_UPS) continue
    for (const name of way) lookUps.add(name)
    chosen.push(path)
  }
  return chosen
}

function candidatesIn(entries: readonly Entry[]): FileEntry[] {
  const ranked: { file: FileEntry; rank: number }[] = []
  const watched = new Set(
    entries.flatMap(({ path, type }) => (type === 'directory' && isWatchedFolder(path) ? [path] : [])),
  )
  const longest = Math.max(...[...watched].map(({ length }) => length))
  for (const file of entries) {
    if (file.type !== 'file') continue
    // Most of a hundred thousand files are deeper down: comparing lengths first halves the time.
    const isDirectlyIn = file.path.lastIndexOf('/') <= longest && watched.has(parentOf(file.path))
    if (!isDirectlyIn && !DEEPER.test(file.path)) continue
    if (FILES.includes(file.path) || UNEDITED.test(file.path)) continue
    const isStartup = STARTUP.test(file.path)
    if (!isDirectlyIn && !isStartup) continue
    ranked.push({ file, rank: (isStartup ? 0 : 2) + (file.package === undefined ? 0 : 1) })
  }
  ranked.sort((a, b) => a.rank - b.rank || latestFirst(a.file, b.file))
  return inTurns(ranked)
}

/** Of each rank the first file of every folder, then the second of every folder: many files of one must not hide all others. */
function inTurns(ranked: readonly { file: FileEntry; rank: number }[]): FileEntry[] {
  const counts = new Map<string, number>()
  const turns = ranked.map(({ file, rank }) => {
    const folder = `${rank} ${KERNEL.test(file.path) ? '' : parentOf(file.path)}`
    const turn = counts.get(folder) ?? 0
    counts.set(folder, turn + 1)
    return { file, rank, turn }
  })
  return turns.sort((a, b) => a.rank - b.rank || a.turn - b.turn).map(({ file }) => file)
}

/** Each stands in a folder of its own. */
const KERNEL = /\/kernel\.json$/

const latestFirst = (a: FileEntry, b: FileEntry): number =>
  a.mtimeNs === b.mtimeNs ? (a.path < b.path ? -1 : 1) : a.mtimeNs > b.mtimeNs ? -1 : 1

/** The path, and the folders on the way to it. */
function wayTo(path: BytePath): BytePath[] {
  return path === '' ? [''] : [...wayTo(parentOf(path)), path]
}
