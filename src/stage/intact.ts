import { lstatSync, type Stats } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { readHead } from '../archive/reader.ts'
import type { ArchivedEntry } from '../model/archive-index.ts'
import { type BytePath, displayPath, fsPath, isAscii, parentOf } from '../model/byte-path.ts'
import { readLocal } from '../platform/read-small.ts'
import { readKeptIndex } from './kept-index.ts'
import { mountFault } from './mount-fault.ts'
import { FOLDERS } from './names.ts'
import type { Stage } from './record.ts'

/** Bytes, for a million folders. */
const MOST = 256 * 1024 * 1024

interface Noted {
  folders: [path: BytePath, ...Facts][]
  /** Files that neither the original nor the archive has. */
  own: BytePath[]
}

/** mtime in milliseconds since 1970, number of links, mode. */
type Facts = [mtime: number, links: number, mode: number]

/** Looks at so many folders take less than a millisecond. Between them, what others wait for goes on. */
const AT_ONCE = 100

/** A third of all folders. Python does without what is lost there. */
const BYTE_CODE = /(?:^|\/)__pycache__$/

/**
 * Notes what the copy's folders look like when it is complete. A file that is added or removed changes the mtime of its folder:
 * a look at each folder later finds what was removed, in about 10 ms for 2,600 folders.
 */
export async function noteFolders(
  { folder, record: { prefix } }: Stage,
  { entries, own }: { entries: readonly { type: string; path: BytePath }[]; own: readonly BytePath[] },
): Promise<void> {
  const paths = new Set(
    entries.flatMap(({ type, path }) => (type === 'directory' && !BYTE_CODE.test(path) ? [path] : [])),
  )
  for (let path of own) {
    while (path !== '') {
      path = parentOf(path)
      paths.add(path)
    }
  }
  const folders = [...paths].map((path): Noted['folders'][number] => {
    const { mtimeMs, nlink, mode } = lstatSync(fsPath(prefix, path))
    return [path, mtimeMs, nlink, mode]
  })
  await write(folder, { folders, own: [...own] })
}

/**
 * What is wrong with a copy, in words; undefined if nothing is. Byte code that Python has added is no damage. Only the folders
 * are looked at, and the files of those that have changed.
 */
export async function damageOf(stage: Stage): Promise<string | undefined> {
  const { folder, record } = stage
  if (record.form === 'mount') return mountFault(record)
  if (record.form === 'image') return await damageOfImage(record)
  const noted = await read(folder)
  if (noted === undefined) return 'the list of its folders is gone'
  const changed: BytePath[] = []
  for (const [at, [path, mtime, links, mode]] of noted.folders.entries()) {
    if (at % AT_ONCE === 0) await nextTurn()
    const facts = lstat(record.prefix, path)
    if (facts?.mtimeMs !== mtime || facts.nlink !== links || facts.mode !== mode) changed.push(path)
  }
  if (changed.length === 0) return undefined
  const index = await readKeptIndex(folder).catch(() => undefined)
  if (index === undefined) return 'its index is damaged'
  const wanted = new Set(changed)
  const expected = index.entries.filter(({ path }) => wanted.has(path) || (path !== '' && wanted.has(parentOf(path))))
  const own = noted.own.filter((path) => wanted.has(parentOf(path)))
  const differing = [
    ...own.filter((path) => factsOf(record.prefix, path) === undefined),
    ...expected.filter((entry) => differs(stage, entry)).map(({ path }) => path),
  ]
  if (differing.length > 0) {
    const more = differing.length === 1 ? '' : ` and ${differing.length - 1} more`
    return `${displayPath(differing[0]!) || 'the copy'}${more} ${differing.length === 1 ? 'is' : 'are'} gone or changed`
  }
  const folders = noted.folders.map(([path, ...facts]): Noted['folders'][number] => [
    path,
    ...(factsOf(record.prefix, path) ?? facts),
  ])
  await write(folder, { ...noted, folders }).catch(() => {}) // then the next look takes as long
  return undefined
}

/** Its end tells its size, and what it is an image of. */
async function damageOfImage({ prefix, archive }: Stage['record']): Promise<string | undefined> {
  return await readHead(prefix).then(
    ({ created }) => (created === archive.created ? undefined : 'it is another image'),
    () => 'the image is gone or changed',
  )
}

function differs({ record: { prefix, digests } }: Stage, entry: ArchivedEntry): boolean {
  const facts = lstat(prefix, entry.path)
  if (facts === undefined) return true
  if (entry.type === 'directory') return !facts.isDirectory()
  if (entry.type === 'symlink') return !facts.isSymbolicLink()
  if (!facts.isFile()) return true
  // A file that was relocated at another length has another size.
  return entry.type === 'file' && digests[entry.path] === undefined && facts.size !== entry.size
}

function factsOf(prefix: string, path: BytePath): Facts | undefined {
  const facts = lstat(prefix, path)
  return facts && [facts.mtimeMs, facts.nlink, facts.mode]
}

const lstat = (prefix: string, path: BytePath): Stats | undefined => {
  try {
    // A string takes half the time of a buffer.
    return lstatSync(isAscii(path) ? `${prefix}/${path}` : fsPath(prefix, path), { throwIfNoEntry: false })
  } catch {
    return undefined // a folder on the way is a file now, for instance
  }
}

async function read(folder: string): Promise<Noted | undefined> {
  try {
    const noted = JSON.parse((await readLocal(`${folder}/${FOLDERS}`, MOST)).toString())
    // Checked by hand, because a schema takes longer than the look at the folders.
    const isNoted = Array.isArray(noted.folders) && noted.folders.every(isFolder) && Array.isArray(noted.own)
    return isNoted && noted.own.every((path: unknown) => typeof path === 'string') ? noted : undefined
  } catch {
    return undefined
  }
}

const isFolder = (tuple: unknown): boolean =>
  Array.isArray(tuple) && typeof tuple[0] === 'string' && tuple.slice(1).every((fact) => typeof fact === 'number')

async function write(folder: string, noted: Noted): Promise<void> {
  const aside = `${folder}/${FOLDERS}.new`
  await writeFile(aside, JSON.stringify(noted), { mode: 0o600 })
  await rename(aside, `${folder}/${FOLDERS}`)
}
