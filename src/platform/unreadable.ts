import { StageError } from '../errors.ts'
import { errnoOf, isMistake, isOfLimits, meaningOf } from './errno.ts'

/**
 * Makes a StageError of any answer of the file system to reading something of an environment. Gives other errors back as they
 * are, and those of the session's limits, which hit everything else as well.
 * @param path the whole path, for people
 */
export function unreadable(path: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || isOfLimits(errno) || isMistake(errno)) return error
  const isForbidden = errno === 'EACCES' || errno === 'EPERM'
  return new StageError('UNREADABLE', `${path} can't be read: ${meaningOf(errno)}`, {
    path,
    hint: isForbidden
      ? "Ask the environment's owner for read permission, or repair or remove it."
      : 'Try again later, or ask whoever looks after its file system. The original environment is as it was.',
    cause: error,
  })
}

/** There is nothing of this name. */
export const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')
