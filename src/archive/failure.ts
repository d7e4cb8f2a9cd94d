import { StageError } from '../errors.ts'
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

/** Makes a StageError of an expected answer of the file system to writing an archive. Gives other errors back as they are. */
export function asWriteFailure(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (error instanceof StageError || code === undefined) return error
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const what = code === 'EDQUOT' ? 'your quota is used up' : 'the file system is full'
    return new StageError('NO_SPACE', `The archive ${path} can't be written: ${what}`, {
      path,
      hint: 'Make room there, or name another place with --output=FILE',
      cause: error,
    })
  }
  if (code === 'EFBIG') return tooLarge(`the archive ${path} would be`, path, error)
  const reason = UNWRITABLE[code]
  if (reason === undefined) return error
  return new StageError('ARCHIVE_UNWRITABLE', `The archive ${path} can't be written: ${reason}`, {
    path,
    hint: 'Name another place with --output=FILE',
    cause: error,
  })
}

const UNWRITABLE: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is not a folder',
  EISDIR: 'it is a folder',
  ENAMETOOLONG: 'its name is too long',
}
