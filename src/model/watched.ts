import { type BytePath, parentOf } from './byte-path.ts'

const FILES: readonly BytePath[] = ['conda-meta/history', 'conda-meta/state']

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
]

/** What the quick check looks at in every environment, in the order in which it reports differences. */
export const WATCHED: readonly BytePath[] = [...FILES, ...FOLDERS]

/** Each holds a site-packages that is watched too. The folder of another Python shows in `lib`. */
const PYTHON = /^lib\/python[^/]*$/
const SITE_PACKAGES = /^lib\/python[^/]*\/site-packages$/

/** What the quick check looks at in an environment that an archive has these entries of. */
export function watchedIn(entries: Iterable<{ path: BytePath; type: string }>): BytePath[] {
  const watched = [...WATCHED]
  for (const { path, type } of entries)
    if (type === 'directory' && PYTHON.test(path)) watched.push(`${path}/site-packages`)
  return watched
}

const folders = new Set(FOLDERS)

/** Whether the quick check looks at this folder itself. If its mtime differs, the check also looks at what stands directly in it. */
const isWatchedFolder = (path: BytePath): boolean => folders.has(path) || SITE_PACKAGES.test(path)

/** Whether the head of an archive holds this path: watched folders and what stands directly in them. */
export const isWatched = (path: BytePath): boolean => isWatchedFolder(path) || isWatchedFolder(parentOf(path))

/** Folders of packages. An update may keep all names in them and renew what is below. */
export const holdsPackages = (path: BytePath): boolean => /\/(?:site-packages|library|node_modules)$/.test(path)
