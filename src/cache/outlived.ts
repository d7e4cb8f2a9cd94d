import { dirname, join } from 'node:path'
import { readHead } from '../archive/reader.ts'
import { basesOf, environmentFolders, listedPrefixes } from '../environment/conda-folders.ts'
import { maybePixi, pixiArchiveBase } from '../environment/pixi.ts'
import { ARCHIVE_FORMATS } from '../model/archive-index.ts'
import { retiredArchiveOf } from '../model/file-names.ts'
import type { Variables } from '../platform/job.ts'
import { lstat, readdir } from '../platform/remote-fs.ts'
import { archiveFolders } from './candidates.ts'

/** An archive whose environment is gone. */
export interface OutlivedArchive {
  path: string
  bytes: number
  /** The prefix that the environment had. */
  original: string
  /** All that is left of it: `--restore` brings it back. */
  isRetired: boolean
}

const ARCHIVE_NAME = new RegExp(`\\.(?:${ARCHIVE_FORMATS.join('|')})$`)

/**
 * The user's archives whose environments are gone: in the folders for archives, and beside the environments that conda and
 * the session know. Only the heads of archives that have no folder of their name beside them are read.
 */
export async function outlivedArchives({
  env,
  uid,
  archiveFolder,
  original,
}: {
  env: Variables
  uid: number
  archiveFolder?: string
  original?: string | undefined
}): Promise<OutlivedArchive[]> {
  const foldersBeside = (prefix: string): string[] => [
    dirname(prefix),
    ...(maybePixi(prefix, env) ? [dirname(pixiArchiveBase({ prefix, real: prefix }))] : []),
  ]
  const folders = new Set([
    ...archiveFolders({ env, ...(archiveFolder !== undefined && { archiveFolder }) }),
    ...(await environmentFolders(env, await basesOf(env))),
    ...[...(await listedPrefixes(env)), ...(original === undefined ? [] : [original])].flatMap(foldersBeside),
  ])
  const found = await Promise.all([...folders].map((folder) => outlivedIn(folder, uid)))
  return found.flat()
}

async function outlivedIn(folder: string, uid: number): Promise<OutlivedArchive[]> {
  const names = await readdir(folder).catch(() => [])
  const there = new Set(names)
  const archives = names.filter((name) => ARCHIVE_NAME.test(name) && !there.has(name.replace(ARCHIVE_NAME, '')))
  const found = await Promise.all(archives.map((name) => outlived(join(folder, name), uid)))
  return found.filter((each) => each !== undefined)
}

async function outlived(path: string, uid: number): Promise<OutlivedArchive | undefined> {
  try {
    const facts = await lstat(path)
    if (!facts.isFile() || facts.uid !== uid) return undefined
    const { prefixes } = await readHead(path)
    const isGone = await Promise.all(prefixes.map(isMissing))
    return isGone.every(Boolean)
      ? { path, bytes: facts.size, original: prefixes[0]!, isRetired: prefixes.map(retiredArchiveOf).includes(path) }
      : undefined
  } catch {
    // Damaged, of another version, or not an archive of ours.
    return undefined
  }
}

/** False also if it can't be known: on a file system that is not mounted here nothing but its mount point is left of the path. */
async function isMissing(prefix: string): Promise<boolean> {
  let path = prefix
  while (!(await isThere(path))) path = dirname(path)
  return path !== prefix && path.split('/').length > 2
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
