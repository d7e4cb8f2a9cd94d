import { createHash, randomInt } from 'node:crypto'
import { lstat, mkdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { LONGEST_NAME } from '../model/file-names.ts'
import type { Form } from '../model/form.ts'
import type { LocalFolder } from '../platform/local-disk.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { asLocalFailure, removeFailed } from './failure.ts'
import { FOLDER_START, OWNER, RESERVED, removingName } from './names.ts'
import { writeOwner } from './record.ts'

/** The paths of a stage that is being made. */
export interface Place {
  /** `LOCAL/conda-stage_TOKEN`. */
  folder: string
  /** The staged prefix: `NAME` in that folder, or further down if the original prefix is longer than one name can be. */
  prefix: string
}

type Local = Pick<LocalFolder, 'path' | 'real' | 'created'>

export interface WantedPlace {
  local: Local
  /** Last part of the original prefix. */
  name: string
  /** Bytes that the staged prefix should have, see `wantedLength`. */
  length: number
  uid: number
  /** What the path follows from, see `contentsOf`. Without it, nobody can tell it beforehand. */
  contents?: string | undefined
  /** The only path that will do: the copies on the nodes of a job have it, too. */
  only?: Place | undefined
}

/**
 * What a shared stage holds, for whom. Stages of the same contents have the same path, on whatever node, unless something else
 * is there. Two archives of an environment never have the same time.
 * @param created when the archive was written (ISO 8601)
 * @param more.alone of the archive's index, if the copy is of the archive alone: whoever made that chose the other two
 * @param more.base see StageOptions
 */
export const contentsOf = (
  real: string,
  created: string,
  uid: number,
  { form = 'tree', alone, base }: Variant = {},
): string =>
  [
    uid,
    real,
    created,
    ...(form === 'tree' ? [] : [form]),
    ...(alone === undefined ? [] : [alone]),
    ...(base ? [base.prefix] : []),
  ].join('\0')

interface Variant {
  form?: Form | undefined
  alone?: string | undefined
  base?: { prefix: string } | undefined
}

const SHORTEST_TOKEN = 4

/**
 * Makes the folder for a stage, for this user alone, and calls `fill` to make the stage in it. If that fails, the folder is
 * removed with all its contents, and so is LOCAL if it was made for this stage.
 * @throws StageError TARGET_UNSAFE if something has the only path that will do
 */
export async function withNewPlace<T>(wanted: WantedPlace, fill: (place: Place) => Promise<T>): Promise<T> {
  const { local, name, uid } = wanted
  assertStageable(name)
  let folder: string | undefined
  try {
    const place = await makePlace(wanted, uid)
    folder = place.folder
    await mkdir(dirname(place.prefix), { recursive: true, mode: 0o700 })
    return await fill(place)
  } catch (error) {
    const failure = asLocalFailure(error, local.path)
    const reported = folder === undefined ? failure : await removeFailed(folder, failure)
    if (local.created) await rmdir(local.real).catch(() => {})
    throw reported
  }
}

/** @throws StageError TARGET_UNSAFE if the environment has the name of a file that belongs to the stage itself, or a colon in it */
export function assertStageable(name: string): void {
  if (!RESERVED.has(name) && !name.includes(':')) return
  const why = name.includes(':')
    ? "PATH can't hold a folder with a colon in its name"
    : 'conda-stage puts a file of that name beside the copy'
  const what = `An environment named ${name} can't be staged: ${why}`
  throw new StageError('TARGET_UNSAFE', what, {
    hint: 'Rename the environment, or stage it through a symbolic link with another name.',
  })
}

/**
 * The length in bytes of the original prefix, logical or real, that occurs more often. A staged prefix of this length lets
 * most occurrences be replaced in place.
 */
export function wantedLength({ prefixes, entries }: Pick<ArchiveIndex, 'prefixes' | 'entries'>): number {
  const counts = prefixes.map(() => 0)
  for (const entry of entries)
    if (entry.type === 'file') for (const { prefix } of entry.relocation?.occurrences ?? []) counts[prefix]!++
  return Buffer.byteLength(prefixes[counts.indexOf(Math.max(...counts))]!)
}

/** Where a stage goes if nothing is there yet. */
export const placeFor = ({ local, name, length, contents }: Omit<WantedPlace, 'uid' | 'only'>): Place =>
  composePlace(bestBase(local, name, length), name, length, contents)

/** A path below `base` that ends in `name` and has `length` bytes if possible, else the shortest possible path. @internal Exported for its tests. */
export function composePlace(base: string, name: string, length: number, contents?: string): Place {
  const start = base === '/' ? '' : base
  const between = length - Buffer.byteLength(`${start}//${name}`)
  const sizes = nameSizes(between) ?? [FOLDER_START.length + SHORTEST_TOKEN]
  const nextName = contents === undefined ? randomName : derivedNames(contents)
  const folder = `${start}/${FOLDER_START}${nextName(sizes[0]! - FOLDER_START.length)}`
  return { folder, prefix: [folder, ...sizes.slice(1).map(nextName), name].join('/') }
}

/** The sizes of names that take so many bytes when joined by '/'. The first is the name of the stage's folder. */
function nameSizes(bytes: number): number[] | undefined {
  if (bytes < FOLDER_START.length + SHORTEST_TOKEN) return undefined
  const sizes: number[] = []
  let left = bytes
  while (left > LONGEST_NAME) {
    // 256 bytes would leave nothing after the '/'.
    const size = left === LONGEST_NAME + 1 ? LONGEST_NAME - 1 : LONGEST_NAME
    sizes.push(size)
    left -= size + 1
  }
  return [...sizes, left]
}

/**
 * Usually the resolved path of LOCAL. The given path, through symbolic links, if only that is short enough for the original's
 * length: nobody else can redirect it.
 */
function bestBase(local: Local, name: string, length: number): string {
  const fits = (base: string): boolean => Buffer.byteLength(composePlace(base, name, length).prefix) === length
  return fits(local.real) || !fits(local.path) ? local.real : local.path
}

/** The path that follows from the contents; or, if something is there, another one. */
async function makePlace(wanted: WantedPlace, uid: number): Promise<Place> {
  const { only } = wanted
  if (only !== undefined) {
    if (await makeOwnFolder(only.folder, uid)) return only
    throw taken(only.folder)
  }
  for (let place = placeFor(wanted); ; place = placeFor({ ...wanted, contents: undefined }))
    if (await makeOwnFolder(place.folder, uid)) return place
}

/**
 * Makes a folder for this user alone that says which process makes something in it. It gets its own name when it does. Until then
 * it has a name that any sweep removes, so nothing of a process that is killed in between stays. If that happens to a living
 * process, it begins again.
 * @returns false if something has its name
 */
export async function makeOwnFolder(folder: string, uid: number): Promise<boolean> {
  for (;;) {
    const aside = `${dirname(folder)}/${removingName()}`
    await mkdir(aside, { mode: 0o700 })
    try {
      await assertOurs(aside, uid)
      await writeOwner(`${aside}/${OWNER}`, { owner: ownIdentity() })
      await rename(aside, folder)
      return true
    } catch (error) {
      await rm(aside, { recursive: true, force: true }).catch(() => {})
      const errno = (error as NodeJS.ErrnoException).code ?? ''
      if (TAKEN.has(errno) || (NOT_OURS.has(errno) && (await isThere(folder)))) return false
      if (errno !== 'ENOENT') throw error // or it was swept
    }
  }
}

const TAKEN = new Set(['EEXIST', 'ENOTEMPTY', 'ENOTDIR'])
/** Another user's folder in /tmp. */
const NOT_OURS = new Set(['EPERM', 'EACCES'])

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

const taken = (folder: string): StageError =>
  new StageError('TARGET_UNSAFE', `Something else is at the path of the copy: ${folder}`, {
    path: folder,
    hint: 'Remove it if it is yours and nobody uses it (conda-stage --list), or name another local folder with --path=DIR.',
  })

async function assertOurs(folder: string, uid: number): Promise<void> {
  const facts = await lstat(folder)
  if (facts.isDirectory() && facts.uid === uid && (facts.mode & 0o077) === 0) return
  throw new StageError('TARGET_UNSAFE', `Somebody replaced ${folder} while it was being made`, {
    path: folder,
    hint: 'Name a folder of your own with --path or CONDA_STAGE_PATH.',
  })
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function randomName(length: number): string {
  let name = ''
  while (name.length < length) name += LETTERS[randomInt(LETTERS.length)]!
  return name
}

/** Names that follow from a text, one after the other. Whoever knows the text can tell them. */
function derivedNames(text: string): (length: number) => string {
  let drawn = 0
  let bytes = Buffer.alloc(0)
  const next = (): string => {
    const at = drawn++ % SHA256_BYTES
    if (at === 0) bytes = createHash('sha256').update(`${text}\0${drawn}`).digest()
    return LETTERS[bytes[at]! % LETTERS.length]!
  }
  return (length) => Array.from({ length }, next).join('')
}

const SHA256_BYTES = 32
