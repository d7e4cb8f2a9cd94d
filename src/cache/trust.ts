import { type BigIntStats, constants, type Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asReadFailure } from '../archive/failure.ts'
import { isCancelled, StageError } from '../errors.ts'
import { closeRead } from '../platform/close.ts'
import { errnoOf } from '../platform/errno.ts'
import { lstat, open } from '../platform/remote-fs.ts'
import { followPath } from '../platform/safe-path.ts'

/**
 * Whoever can write an archive can run code as the user who stages it. So it must be a file that belongs to one of `owners` or to
 * root, and that nobody else can write. The open file is checked: someone who can write the folder can put another file at the
 * path, but can neither give it another owner nor change the file that is open.
 * @param owners user ids: the user, and the environment's owner, whose programs the user runs anyway
 * @throws StageError ARCHIVE_UNTRUSTED
 * @internal Exported for its tests.
 */
export async function assertTrusted(path: string, handle: FileHandle, owners: readonly number[]): Promise<void> {
  if ((await lstat(path)).isSymbolicLink()) throw symbolicLink(path)
  const [what, hint] = whyUntrusted(path, await handle.stat(), owners) ?? []
  if (what !== undefined) throw untrusted(path, what, hint!)
}

/** The same of a file that is only looked at. */
export const isTrusted = (path: string, facts: Stats | BigIntStats, owners: readonly number[]): boolean =>
  whyUntrusted(path, facts, owners) === undefined

/** What is wrong with a file, and what to do about it. */
function whyUntrusted(
  path: string,
  facts: Stats | BigIntStats,
  owners: readonly number[],
): [what: string, hint: string] | undefined {
  if (!facts.isFile()) return ['it is not a file', 'Move it away, or name another archive with --output=FILE']
  const uid = Number(facts.uid)
  if (uid !== 0 && !owners.includes(uid)) {
    const what = `it belongs to user ${uid}, who owns neither this session nor the environment`
    return [what, 'Ask that user to remove it, or name another archive with --output=FILE']
  }
  // The group's bits also show an access list that lets others write.
  if ((Number(facts.mode) & 0o022) === 0) return undefined
  return ['other users can write to it', `If you trust what it holds: chmod go-w '${path}'`]
}

/**
 * Opens the archive for reading, and checks it. The caller closes it.
 * @throws StageError ARCHIVE_UNTRUSTED, ARCHIVE_UNREADABLE
 */
export async function openTrusted(path: string, owners: readonly number[]): Promise<FileHandle> {
  // Without O_NONBLOCK, opening a FIFO at this path would wait for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  let handle: FileHandle | undefined
  try {
    handle = await open(path, flags)
    await assertTrusted(path, handle, owners)
    return handle
  } catch (error) {
    if (handle) await closeRead(handle)
    const errno = errnoOf(error)
    if (errno === 'ELOOP') throw symbolicLink(path)
    if (errno === 'EACCES' || errno === 'EPERM') throw forbidden(path, error)
    throw asReadFailure(error, path)
  }
}

/**
 * Whoever names an archive trusts its owner, but nobody else: others must not be able to put a file of theirs in its place. What
 * belongs to the user or to root, others can't put there.
 * @returns the owner, whom openTrusted() takes from then on
 * @throws StageError NO_ARCHIVE, ARCHIVE_UNTRUSTED, ARCHIVE_UNREADABLE
 */
export async function ownerOfNamed(path: string, uid: number): Promise<number> {
  try {
    const { uid: owner } = await lstat(path)
    if (owner === uid || owner === 0) return owner
    const { exposed } = await followPath(dirname(path), [uid, owner])
    if (exposed === undefined) return owner
    const what = `it belongs to another user (uid ${owner}), and others can put another file in its place: ${exposed.path} ${exposed.what}`
    throw untrusted(path, what, `If you trust what it holds, copy it to a folder of your own: cp '${path}' ~/`)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EACCES') throw forbidden(path, error)
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw errno === undefined ? error : asReadFailure(error, path)
    throw new StageError('NO_ARCHIVE', `There is no archive ${path}`, {
      path,
      hint: 'Name the file that --pack or --retire has written, or one that conda-pack made.',
      cause: error,
    })
  }
}

/** As openTrusted; undefined if there is no such file. */
export async function openTrustedIfThere(path: string, owners: readonly number[]): Promise<FileHandle | undefined> {
  return await openTrusted(path, owners).catch((error: unknown) => {
    // A name that is too long for a file names none.
    if (!['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errnoOf((error as Error).cause) ?? '')) throw error
    return undefined
  })
}

/** Why an open archive is not used; undefined if it is. */
export async function distrust(
  path: string,
  handle: FileHandle,
  owners: readonly number[],
): Promise<string | undefined> {
  return await assertTrusted(path, handle, owners).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof StageError && !isCancelled(error)) return error.message
      throw asReadFailure(error, path)
    },
  )
}

/** Whether anybody can put a file into the folder, so that what stands there says nothing about its owner's wishes. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  return ((await lstat(folder)).mode & 0o002) !== 0
}

function symbolicLink(path: string): StageError {
  return untrusted(path, 'it is a symbolic link', 'Name the file itself with --output=FILE')
}

/** The archive's owner wants it so: this is no failure of the disk. */
function forbidden(path: string, cause: unknown): StageError {
  return new StageError('ARCHIVE_UNTRUSTED', `The archive ${path} can't be read: permission denied`, {
    path,
    hint: 'Ask its owner for permission to read it, or name another archive with --output=FILE.',
    cause,
  })
}

function untrusted(path: string, what: string, hint: string): StageError {
  return new StageError('ARCHIVE_UNTRUSTED', `The archive ${path} is not used: ${what}`, { path, hint })
}
