import { execFile } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { readHead, readIndex } from '../archive/reader.ts'
import { openTrusted, ownerOfNamed, withArchiveLock } from '../cache/index.ts'
import { StageError } from '../errors.ts'
import { differencesOf, differentBytes } from '../image/retire/compare.ts'
import { isThere, Places } from '../image/retire/places.ts'
import { reasonsOfDifferences } from '../image/retire/reasons.ts'
import { treeOf } from '../image/retire/tree.ts'
import { unpackInto } from '../image/retire/unpack.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { retiredArchiveOf } from '../model/file-names.ts'
import { closeRead } from '../platform/close.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { mkdir, realpath } from '../platform/remote-fs.ts'
import { removeTree } from '../stage/remove-tree.ts'
import type { RestoreOptions, RestoreResult } from './options.ts'
import { type Filled, fillIn } from './original.ts'
import { assertFolderWritable, assertNotOfPixi, recover } from './retire.ts'
import { countProgress, timed } from './timing.ts'

type Options = Filled<RestoreOptions>

interface Source {
  path: string
  handle: FileHandle
  index: ArchiveIndex
}

/**
 * Makes an environment from its archive at its old place, with every byte, mode, time and link: archive -> a folder beside that
 * place -> both compared -> brought to disk -> renamed. The archive stays.
 * @throws StageError; then nothing is at that place
 */
export async function restore(given: RestoreOptions): Promise<RestoreResult> {
  const options = fillIn(given)
  const { uid, signal } = options
  const path = archiveOf(options)
  const handle = await openTrusted(path, [uid, await ownerOfNamed(path, uid)])
  try {
    await assertArchive(path, handle)
    const index = await readIndex(path, handle)
    const prefix = placeOf(path, index, options)
    const places = new Places(join(await realFolder(dirname(prefix)), basename(prefix)))
    const files = index.entries.filter((entry) => entry.type === 'file')
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    const result = { original: prefix, archive: path, files: files.length, bytes, entries: index.entries.length }
    await assertNotOfPixi(places, 'RESTORE_FAILED', options)
    assertFree(places)
    await assertFolderWritable(places, 'RESTORE_FAILED')
    if (options.dryRun) return result
    await withArchiveLock(places.archive, { owners: [uid], ...(signal && { signal }) }, async () => {
      await recover(places, options)
      // It may have its name again.
      assertFree(places)
      await make(places, { path, handle, index }, options)
    })
    return result
  } finally {
    await closeRead(handle)
  }
}

/** The frames of an image are pieces of a squashfs, and none of a tar. */
async function assertArchive(path: string, handle: FileHandle): Promise<void> {
  if ((await readHead(path, handle)).format !== 'sqfs') return
  throw new StageError('RESTORE_FAILED', `${path} is an image, and an environment is restored from an archive`, {
    path,
    hint: `Name the archive that --retire has written; or stage the image: conda-stage --archive='${path}'`,
  })
}

function archiveOf({ archive, prefix, cwd }: Options): string {
  if (archive !== undefined) return resolve(cwd, archive)
  if (prefix !== undefined) return retiredArchiveOf(resolve(cwd, prefix))
  throw new StageError('USAGE', '--restore needs to know what to restore', {
    hint: 'Name the environment with --prefix=ENV, or its archive with --archive=FILE.',
  })
}

/** Its files name their prefix, so it can be at no other place. */
function placeOf(path: string, { prefixes, whole }: ArchiveIndex, { prefix, cwd }: Options): string {
  const [given, real = given] = prefixes as [string, string?]
  if (whole === undefined || !given.startsWith('/'))
    throw new StageError('RESTORE_FAILED', `${path} does not hold a whole environment (--exclude, --dest-prefix)`, {
      path,
      hint: 'Name the archive that --retire has written, or one that was packed without such options.',
    })
  if (prefix === undefined) return given
  const wanted = resolve(cwd, prefix)
  if ([given, real].includes(wanted)) return wanted
  throw new StageError('RESTORE_FAILED', `${path} is the archive of ${given}, and can't be restored as ${wanted}`, {
    path,
    hint: `Leave out --prefix to restore it at ${given}, or stage it: conda-stage --archive=FILE`,
  })
}

const realFolder = (folder: string): Promise<string> =>
  realpath(folder).catch((cause: unknown) => {
    throw new StageError('RESTORE_FAILED', `The folder ${folder}, in which the environment was, can't be reached`, {
      path: folder,
      hint: 'Make it, and try again.',
      cause,
    })
  })

function assertFree({ prefix }: Places): void {
  if (!isThere(prefix)) return
  throw new StageError('RESTORE_FAILED', `${prefix} is there already`, {
    path: prefix,
    hint: 'Move it away if you want the state of the archive.',
  })
}

async function make(places: Places, source: Source, options: Options): Promise<void> {
  const { restoring, prefix } = places
  const { signal, onProgress } = options
  await mkdir(restoring, { mode: 0o700 }).catch((error: unknown) => {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    throw new StageError('RESTORE_FAILED', `${restoring} can't be made: ${meaningOf(errno)}`, {
      path: restoring,
      hint: 'Make room there, or remove what has its name, then try again.',
      cause: error,
    })
  })
  try {
    const phase = { kind: 'phase', phase: 'extract', prefix, archive: source.path, target: prefix } as const
    await timed(onProgress, phase, () => unpackInto(restoring, source, signal))
    await timed(onProgress, { kind: 'phase', phase: 'verify', prefix }, () => compare(restoring, source, options))
    await bringToDisk(restoring)
    // rename() would replace an empty folder.
    assertFree(places)
    places.move(restoring, prefix)
  } catch (error) {
    if (isThere(restoring)) await removeTree(restoring).catch(() => {})
    throw error
  }
}

async function compare(folder: string, { path, index }: Source, { signal, onProgress }: Options): Promise<void> {
  const { entries } = index
  const bytes = await differentBytes(folder, entries, { signal, onChecked: countProgress('verify', onProgress) })
  const lines = reasonsOfDifferences([...differencesOf(await treeOf(folder, signal), entries), ...bytes])
  if (lines.length === 0) return
  throw new StageError('RESTORE_FAILED', `The files of ${path} can't be made here as they were:`, {
    path,
    lines,
    hint: 'Nothing was left. Its file system may keep no such times, names or modes, or its tar may not be GNU tar.',
  })
}

/** Everything of its file system: one call for tens of thousands of files. `sync -f` is syncfs(2). */
async function bringToDisk(folder: string): Promise<void> {
  const options = { env: { PATH: '/usr/bin:/bin' }, cwd: '/' }
  await new Promise<void>((done, fail) => {
    execFile('sync', ['-f', '--', folder], options, (error) => {
      if (!error) return done()
      execFile('sync', [], options, (again) => (again ? fail(notSynced(folder, again)) : done()))
    })
  })
}

const notSynced = (path: string, cause: unknown): StageError =>
  new StageError('RESTORE_FAILED', `What was written to ${path} can't be flushed to its disk`, {
    path,
    hint: 'Try again when its file system is in order. The archive is as it was.',
    cause,
  })
