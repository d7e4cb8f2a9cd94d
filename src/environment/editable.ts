import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BytePath, displayPath, fsPath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import { isBelow, isInside } from '../platform/inside.ts'
import { readSmall } from '../platform/read-small.ts'
import { readlink } from '../platform/remote-fs.ts'

/** A Python project that is used from a folder outside the environment. The copy uses it from there too. */
export interface EditableInstall {
  project: string
  /** Absolute path of the sources. */
  target: string
}

/** How each kind of file names the sources. If several name the same project or folder, the first kind counts. */
const SOURCES: { file: RegExp; read(content: string, path: string, folder: string): EditableInstall[] }[] = [
  { file: /\.dist-info\/direct_url\.json$/, read: fromDirectUrl },
  { file: /\.egg-link$/, read: fromEggLink },
  { file: /\/__editable__[^/]*_finder\.py$/, read: fromFinder },
  { file: /\.pth$/, read: fromPth },
]

/**
 * Editable installs, and whatever else in site-packages leads out of the environment: lines of `.pth` files, symbolic links to
 * sources. Sorted by project.
 * @param entries links of a package count as files of that: conda can link packages from its cache
 */
export async function editableInstalls(
  environment: { prefix: string; real: string },
  entries: readonly (Pick<Entry, 'path' | 'type'> & { package?: string | undefined })[],
): Promise<EditableInstall[]> {
  const found: EditableInstall[] = []
  const own = [environment.prefix, environment.real]
  const candidates = entries.filter((entry) => /(?:^|\/)site-packages\/[^/]+(?:\/direct_url\.json)?$/.test(entry.path))
  for (const { file, read } of SOURCES) {
    for (const entry of candidates) {
      if (!file.test(entry.path) || entry.type === 'directory') continue
      const path = displayPath(entry.path)
      const folder = `${environment.prefix}/${path.slice(0, path.indexOf('site-packages/') + 'site-packages'.length)}`
      for (const install of read(await contentOf(environment.prefix, entry.path), path, folder)) {
        if (!isKnown(install, found) && !(await isInside(install.target, own))) found.push(install)
      }
    }
  }
  for (const link of candidates) {
    if (link.type !== 'symlink' || link.package !== undefined || !LINKED.test(link.path)) continue
    const install = await fromLink(environment.real, link.path)
    if (install && !isKnown(install, found) && !(await isInside(install.target, own))) found.push(install)
  }
  return found.sort((a, b) => (a.project < b.project ? -1 : 1))
}

/** PEP 610: `pip install -e` writes this file. */
function fromDirectUrl(content: string, path: string): EditableInstall[] {
  try {
    const { url, dir_info } = JSON.parse(content)
    if (dir_info?.editable !== true) return []
    return [{ project: basename(dirname(path)).replace(/-[^-]*\.dist-info$/, ''), target: fileURLToPath(url) }]
  } catch {
    return []
  }
}

/** `setup.py develop` writes this file. */
function fromEggLink(content: string, path: string, folder: string): EditableInstall[] {
  const target = content.split('\n')[0]?.trim()
  return target ? [{ project: basename(path, '.egg-link'), target: resolve(folder, target) }] : []
}

/** setuptools writes a module with `MAPPING = {'package': '/sources/package', ...}`. */
function fromFinder(content: string): EditableInstall[] {
  const mapping = /^MAPPING\b[^=\n]*=\s*\{(.*)\}/m.exec(content)?.[1] ?? ''
  const pairs = mapping.matchAll(/(['"])([^'"]+)\1\s*:\s*(['"])((?:\\.|(?!\3).)*)\3/g)
  return [...pairs].map(([, , project = '', , target = '']) => ({ project, target: target.replace(/\\(.)/g, '$1') }))
}

/** Each of them costs a look-up. */
const MOST_LINES = 1000

/** Each line is a folder for sys.path, absolute or relative to site-packages. Code and comments name none. */
function fromPth(content: string, path: string, folder: string): EditableInstall[] {
  const project = basename(path, '.pth')
    .replace(/^__editable__\./, '')
    .replace(/-\d[^-]*$/, '')
  return content
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !line.startsWith('#') && !/^import[ \t]/.test(line))
    .slice(0, MOST_LINES)
    .map((line) => ({ project, target: resolve(folder, line) }))
}

/** Sources that somebody has linked into site-packages. The kernel counts `..` from the real prefix. */
async function fromLink(real: string, path: BytePath): Promise<EditableInstall | undefined> {
  const shown = displayPath(path)
  try {
    const target = resolve(real, dirname(shown), await readlink(fsPath(real, path)))
    return /\/pkgs\//.test(target) ? undefined : { project: basename(shown).replace(/\.py$|\.so$/, ''), target }
  } catch {
    return undefined
  }
}

/** What Python imports: packages and modules, not what describes them. */
const LINKED = /site-packages\/(?:[^./]+|[^/]+\.(?:py|so))$/

/** A finder of setuptools has a line for each package. */
const MOST_BYTES = 4 * 1024 * 1024

async function contentOf(prefix: string, path: BytePath): Promise<string> {
  try {
    return (await readSmall(fsPath(prefix, path), MOST_BYTES)).toString('utf8')
  } catch {
    // Packing reports what is wrong with the file. Here it names nothing.
    return ''
  }
}

function isKnown({ project, target }: EditableInstall, found: readonly EditableInstall[]): boolean {
  return found.some((other) => normal(other.project) === normal(project) || isBelow(target, [other.target]))
}

const normal = (project: string): string => project.toLowerCase().replace(/[-_.]+/g, '-')
