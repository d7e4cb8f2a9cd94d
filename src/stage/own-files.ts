import { chmodSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { STAGED } from '../activate/state.ts'
import { type BytePath, fsPath, parentOf } from '../model/byte-path.ts'
import type { DirectoryEntry, Entry, FileEntry } from '../model/entry.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import { asTime, utimesSeconds } from '../model/times.ts'
import { closeReadSync } from '../platform/close.ts'

/** A file that conda-stage adds to a copy. Neither the original nor the archive has it. */
export interface OwnFile {
  path: BytePath
  text: string
}

/**
 * While the copy is active, CONDA_STAGE_STAGED is true. Scripts set it, since conda leaves a variable of
 * env_vars.d behind, empty, when it leaves the copy.
 */
const SCRIPTS: readonly OwnFile[] = [
  ['activate.d', 'sh', `\\export ${STAGED}=true`],
  ['activate.d', 'fish', `set -gx ${STAGED} true`],
  ['activate.d', 'csh', `setenv ${STAGED} true`],
  ['deactivate.d', 'sh', `\\unset ${STAGED}`],
  ['deactivate.d', 'fish', `set -e ${STAGED}`],
  ['deactivate.d', 'csh', `unsetenv ${STAGED}`],
].map(([folder, end, text]) => ({ path: `etc/conda/${folder}/conda-stage-envs.${end}`, text: `${text}\n` }))

const ADVICE = [
  'This environment is a read-only copy that conda-stage made. What you want to install belongs in the original:',
  'go back to it with    conda-stage --unstage',
  'Or, after that, stage a copy that you can change until it is removed:    conda-stage --writable',
]

/** After CEP 22: conda refuses to change such an environment, and shows the message; mamba 2.8.1 does not yet. conda looks at HISTORY first. */
const FROZEN: OwnFile = {
  path: 'conda-meta/frozen',
  text: `${JSON.stringify({ message: ADVICE.join('\n') })}\n`,
}

/** After PEP 668: pip and uv refuse to install. Without it, pip would silently install into ~/.local, for all environments. */
const EXTERNALLY_MANAGED = 'EXTERNALLY-MANAGED'
const EXTERNALLY_MANAGED_TEXT = `[externally-managed]\nError=${ADVICE.join('\n ')}\n`

/**
 * The one file that the owner may write to in a read-only copy. If it is not writable, `conda install` takes the environment
 * for another user's, says so, and never comes to show the message of FROZEN.
 */
export const HISTORY: BytePath = 'conda-meta/history'

export const OWNER_WRITES = 0o200

const STANDARD_LIBRARY = /(^|\/)lib\/(python|pypy)\d+\.\d+t?$/

/**
 * Adds the copy's own files and the given ones. Files that the original has under these names stay as they are. A virtual
 * environment gets none: no shell runs scripts in it, and pip and uv look for EXTERNALLY-MANAGED in its base.
 * @returns the paths of those that were added
 */
export function addOwnFiles(
  prefix: string,
  {
    kind = 'conda',
    entries,
    readOnly,
    scripts,
  }: {
    kind?: EnvironmentKind
    entries: readonly { type: string; path: BytePath }[]
    readOnly: boolean
    scripts: readonly OwnFile[]
  },
): BytePath[] {
  if (kind === 'venv' || kind === 'python') return []
  const files = [...SCRIPTS, ...scripts]
  if (readOnly)
    files.push(FROZEN, ...standardLibraries(entries, (path) => existsSync(fsPath(prefix, path))).map(managed))
  const added = files.filter((file) => addFile(prefix, file, readOnly))
  if (readOnly) letOwnerWrite(prefix, HISTORY)
  return added.map(({ path }) => path)
}

/** What conda-stage adds to an image that is a read-only copy, before the image is made. */
export type AddedEntry = DirectoryEntry | (FileEntry & { content: Buffer })

/**
 * The same files as `addOwnFiles` adds, with the folders that they need, for a copy of these entries that nobody can write to any
 * more.
 */
export function addedEntries(entries: readonly Entry[], scripts: readonly OwnFile[]): AddedEntry[] {
  const known = new Map<BytePath, { type: string; mode: number; mtimeNs: bigint }>(
    entries.map((entry) => [entry.path, entry]),
  )
  const isThere = (path: BytePath): boolean => known.has(path)
  const added: AddedEntry[] = []
  const folderOf = (path: BytePath): { type: string; mode: number; mtimeNs: bigint } => {
    const found = known.get(path)
    if (found !== undefined || path === '') return found ?? { type: 'none', mode: 0, mtimeNs: 0n }
    const { type, mode, mtimeNs } = folderOf(parentOf(path))
    if (type !== 'directory') return { type, mode, mtimeNs }
    const folder: DirectoryEntry = { type: 'directory', path, mode: mode & ~0o222, mtimeNs }
    known.set(path, folder)
    added.push(folder)
    return folder
  }
  const files = [...SCRIPTS, ...scripts, FROZEN, ...standardLibraries(entries, isThere).map(managed)]
  for (const { path, text } of files.filter((file) => !isThere(file.path))) {
    const { type, mtimeNs } = folderOf(parentOf(path))
    if (type !== 'directory') continue
    const content = Buffer.from(text)
    added.push({ type: 'file', path, mode: 0o444, mtimeNs, size: content.length, content })
  }
  return added
}

/** Not if its folder is a link, which may lead out of the copy. */
function letOwnerWrite(prefix: string, path: BytePath): void {
  const folder = lstatSync(fsPath(prefix, parentOf(path)), { throwIfNoEntry: false })
  const name = fsPath(prefix, path)
  const facts = folder?.isDirectory() ? lstatSync(name, { throwIfNoEntry: false }) : undefined
  if (facts?.isFile()) chmodSync(name, (facts.mode & 0o7777) | OWNER_WRITES)
}

/** Whether conda-stage has put this there, as it is. */
export function isOwnFile(prefix: string, path: BytePath): boolean {
  const folder = parentOf(path)
  const isManaged = path === `${folder}/${EXTERNALLY_MANAGED}` && STANDARD_LIBRARY.test(folder)
  const file = [...SCRIPTS, FROZEN, ...(isManaged ? [managed(folder)] : [])].find((own) => own.path === path)
  const facts = lstatSync(fsPath(prefix, path))
  if (facts.isDirectory()) return SCRIPTS.some((own) => own.path.startsWith(`${path}/`))
  return file !== undefined && isFileWith(prefix, file)
}

/** Whether this file is there, with this text. */
export function isFileWith(prefix: string, { path, text }: OwnFile): boolean {
  const facts = lstatSync(fsPath(prefix, path))
  return facts.isFile() && facts.size === Buffer.byteLength(text) && textOf(fsPath(prefix, path)) === text
}

/** Node itself aborts if the file of a path that it reads as text can't be closed. */
function textOf(path: Buffer): string {
  const fd = openSync(path, 'r')
  try {
    return readFileSync(fd, 'utf8')
  } finally {
    closeReadSync(fd)
  }
}

/** The folder of a Python at the top always counts; one further down only if it has a standard library, which a venv's has not. */
function standardLibraries(
  entries: readonly { type: string; path: BytePath }[],
  isThere: (path: BytePath) => boolean,
): BytePath[] {
  return entries
    .filter(({ type, path }) => type === 'directory' && STANDARD_LIBRARY.test(path))
    .map(({ path }) => path)
    .filter((path) => path.startsWith('lib/') || isThere(`${path}/os.py`))
}

const managed = (folder: BytePath): OwnFile => ({
  path: `${folder}/${EXTERNALLY_MANAGED}`,
  text: EXTERNALLY_MANAGED_TEXT,
})

/** False if there is one of that name, or no folder for it. */
function addFile(prefix: string, { path, text }: OwnFile, readOnly: boolean): boolean {
  const folder = parentOf(path)
  if (!makeFolder(prefix, folder)) return false
  let added = true
  whileWritable(fsPath(prefix, folder), () => {
    try {
      writeFileSync(fsPath(prefix, path), text, { flag: 'wx', mode: 0o644 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      added = false
      return
    }
    chmodSync(fsPath(prefix, path), readOnly ? 0o444 : 0o644)
  })
  return added
}

/** Makes missing folders, with their parent's mode. False if a part of the path is not a folder: links may lead out of the copy. */
function makeFolder(prefix: string, folder: BytePath): boolean {
  if (folder !== '' && !makeFolder(prefix, parentOf(folder))) return false
  const path = fsPath(prefix, folder)
  const facts = lstatSync(path, { throwIfNoEntry: false })
  if (facts !== undefined) return facts.isDirectory()
  const above = fsPath(prefix, parentOf(folder))
  const { mode } = lstatSync(above)
  whileWritable(above, () => mkdirSync(path))
  chmodSync(path, mode & 0o7777)
  return true
}

/** Keeps the folder's mode and time. */
export function whileWritable(folder: Buffer, body: () => void): void {
  const { mode, mtimeNs } = lstatSync(folder, { bigint: true })
  const bits = Number(mode & 0o7777n)
  if ((bits & 0o300) !== 0o300) chmodSync(folder, bits | 0o300)
  body()
  const time = asTime(utimesSeconds(mtimeNs))
  utimesSync(folder, time, time)
  if ((bits & 0o300) !== 0o300) chmodSync(folder, bits)
}
