import { randomInt } from 'node:crypto'
import { lstat, mkdir, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StageError } from '../errors.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import type { LocalFolder } from '../platform/local-disk.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { asLocalFailure, removeFailed } from './failure.ts'
import { FOLDER_START, OWNER, RESERVED } from './names.ts'
import { writeOwner } from './record.ts'

/** The paths of a stage that is being made. */
export interface Place {
  /** `LOCAL/conda-stage_TOKEN`. */
  folder: string
  /** The staged prefix: `NAME` in that folder, or further down if the original prefix is longer than one name can be. */
  prefix: string
}

type Local = Pick<LocalFolder, 'path' | 'real' | 'created'>

const SHORTEST_TOKEN = 4
const LONGEST_NAME = 255

/**
 * Makes the folder for a stage, for this user alone, and calls `fill` to make the stage in it. If that fails, the folder is
 * removed with all its contents, and so is LOCAL if it was made for this stage.
 * @param place `length`: bytes that the staged prefix should have, see `wantedLength`; `name`: last part of the original prefix
 */
export async function withNewPlace<T>(
  { local, name, length, uid }: { local: Local; name: string; length: number; uid: number },
  fill: (place: Place) => Promise<T>,
): Promise<T> {
  assertStageable(name)
  let folder: string | undefined
  try {
    const base = bestBase(local, name, length)
    let place: Place
    do {
      place = await makePlace(base, name, length, uid)
      folder = place.folder
    } while (!(await isOwned(folder)))
    await mkdir(dirname(place.prefix), { recursive: true, mode: 0o700 })
    return await fill(place)
  } catch (error) {
    const failure = asLocalFailure(error, local.path)
    const reported = folder === undefined ? failure : await removeFailed(folder, failure)
    if (local.created) await rmdir(local.real).catch(() => {})
    throw reported
  }
}

/** @throws StageError TARGET_UNSAFE if the environment has the name of a file that belongs to the stage itself */
export function assertStageable(name: string): void {
  if (!RESERVED.has(name)) return
  const what = `An environment named ${name} can't be staged: conda-stage puts a file of that name beside the copy`
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

/** A path below `base` that ends in `name` and has `length` bytes if possible, else the shortest possible path. @internal Exported for its tests. */
export function composePlace(base: string, name: string, length: number): Place {
  const start = base === '/' ? '' : base
  const between = length - Buffer.byteLength(`${start}//${name}`)
  const sizes = nameSizes(between) ?? [FOLDER_START.length + SHORTEST_TOKEN]
  const folder = `${start}/${FOLDER_START}${randomName(sizes[0]! - FOLDER_START.length)}`
  return { folder, prefix: [folder, ...sizes.slice(1).map(randomName), name].join('/') }
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

async function makePlace(base: string, name: string, length: number, uid: number): Promise<Place> {
  for (;;) {
    const place = composePlace(base, name, length)
    try {
      await mkdir(place.folder, { mode: 0o700 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw error
    }
    const facts = await lstat(place.folder)
    if (facts.isDirectory() && facts.uid === uid && (facts.mode & 0o077) === 0) return place
    throw new StageError('TARGET_UNSAFE', `Somebody replaced ${place.folder} while it was being made`, {
      path: place.folder,
      hint: 'Name a folder of your own with --path or CONDA_STAGE_PATH.',
    })
  }
}

/** Writes who makes the stage. False if the folder is gone: a sweep removes one that stays empty, because we were stopped. */
async function isOwned(folder: string): Promise<boolean> {
  try {
    await writeOwner(`${folder}/${OWNER}`, { owner: ownIdentity() })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function randomName(length: number): string {
  let name = ''
  while (name.length < length) name += LETTERS[randomInt(LETTERS.length)]!
  return name
}
