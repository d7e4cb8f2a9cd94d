import { StageError } from '../errors.ts'
import { errnoOf, isMistake, isOfLimits, meaningOf } from './errno.ts'

/**
 * Makes a StageError of any answer of the file system to reading something of an environment. Gives other errors back as they
 * are, and those of the session's limits, which hit everything else as well.
 * @param path the whole path, for people
 * @param hint if it is no file of an environment
 */
export function unreadable(path: string, error: unknown, hint?: string): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || isOfLimits(errno) || isMistake(errno)) return error
  return new StageError('UNREADABLE', `${path} can't be read: ${meaningOf(errno)}`, {
    path,
    hint:
      hint ??
      HINTS[errno] ??
      'Try again later, or ask whoever looks after its file system. The original environment is as it was.',
    cause: error,
  })
}

const FORBIDDEN = "Ask the environment's owner for read permission, or repair or remove it."
const HINTS: Record<string, string> = {
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ENAMETOOLONG: 'No program can open it by this path. Give it a shorter one, or remove it.',
}

/** There is nothing of this name. */
export const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')
