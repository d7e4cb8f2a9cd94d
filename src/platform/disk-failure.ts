import { StageError } from '../errors.ts'
import { errnoOf, isMistake, meaningOf } from './errno.ts'

/**
 * An expected failure if a call on a path failed, else what was thrown. Most steps know better what their files are for, and
 * make a better error: this is for all others, because no answer of a disk is a bug of ours.
 */
export function diskFailure(error: unknown): unknown {
  const errno = errnoOf(error)
  const { path } = (error ?? {}) as { path?: unknown }
  if (error instanceof StageError || errno === undefined || isMistake(errno) || typeof path !== 'string') return error
  return new StageError('DISK_FAILED', `${path} can't be used: ${meaningOf(errno)}`, {
    path,
    hint: 'Check whether its disk is full, broken or out of reach. If it is none of these, please report this, with --debug.',
    cause: error,
  })
}
