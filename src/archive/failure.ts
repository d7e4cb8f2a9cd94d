import { StageError } from '../errors.ts'
import { errnoOf, isMistake, isOfLimits, meaningOf } from '../platform/errno.ts'
import { tooLarge } from '../platform/room.ts'

export function damaged(path: string, what: string, cause?: unknown): StageError {
  return new StageError('ARCHIVE_DAMAGED', `The archive ${path} is damaged: ${what}`, {
    path,
    hint: 'Rebuild it with: conda-stage --pack --force',
    cause,
  })
}

export function foreign(path: string, what = 'was not written by conda-stage'): StageError {
  return new StageError('ARCHIVE_FOREIGN', `${path} ${what}`, {
    path,
    hint: 'It is left alone. Move it away, or name another archive with --output=FILE',
  })
}

export function otherVersion(path: string, version: number, generator: string): StageError {
  const writer = generator === '' ? 'another version of conda-stage' : generator
  return new StageError('ARCHIVE_VERSION', `The archive ${path} has format ${version}, written by ${writer}`, {
    path,
    hint: 'Rebuild it with: conda-stage --pack --force, or use the conda-stage that wrote it',
  })
}

/**
 * Makes a StageError of any answer of the file system to writing an archive. Gives other errors back as they are, and those of
 * the session's limits, which hit everything else as well.
 */
export function asWriteFailure(error: unknown, path: string): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || isOfLimits(errno) || isMistake(errno)) return error
  if (errno === 'EFBIG') return tooLarge(`The archive ${path} would be`, path, error)
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT'
  return new StageError(
    isFull ? 'NO_SPACE' : 'ARCHIVE_UNWRITABLE',
    `The archive ${path} can't be written: ${OF_ARCHIVE[errno] ?? meaningOf(errno)}`,
    { path, hint: `${isFull ? 'Make room there, or name' : 'Name'} another place with --output=FILE`, cause: error },
  )
}

const OF_ARCHIVE: Record<string, string> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is not a folder',
  EISDIR: 'it is a folder',
  EEXIST: 'something else is already there',
  ENAMETOOLONG: 'its name is too long',
}

/** Whether it says that an archive can't be written: a stage of the same contents can do without. */
export const isUnwritable = (error: unknown): error is StageError =>
  error instanceof StageError &&
  // Of the limits, only that of file sizes is one of a path.
  (UNWRITABLE.has(error.code) || (error.code === 'LIMIT_TOO_LOW' && error.path !== undefined))

const UNWRITABLE: ReadonlySet<string> = new Set(['NO_SPACE', 'ARCHIVE_UNWRITABLE'])

/** Makes a StageError of any answer of the file system to reading an archive: it is of no more use than a damaged one. */
export function asReadFailure(error: unknown, path: string): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || isOfLimits(errno) || isMistake(errno)) return error
  return new StageError('ARCHIVE_UNREADABLE', `The archive ${path} can't be read: ${meaningOf(errno)}`, {
    path,
    hint: 'Try again later, rebuild it with: conda-stage --pack --force, or name another one with --output=FILE',
    cause: error,
  })
}
