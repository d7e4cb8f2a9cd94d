import { statfsSync } from 'node:fs'
import { StageError } from '../errors.ts'
import { errnoOf, isMistake, isOfLimits, meaningOf } from '../platform/errno.ts'
import { ROOM_HINT, tooLarge } from '../platform/room.ts'
import { EXTRACTING } from './names.ts'
import { setAside } from './remove.ts'
import { removeTree } from './remove-tree.ts'

/**
 * Makes a StageError of any answer of the local disk to making a stage. Gives other errors back as they are, and those of the
 * session's limits, which hit everything else as well.
 * @param folder the local folder, or the one in it that is being made
 */
export function asLocalFailure(error: unknown, folder: string): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || isOfLimits(errno) || isMistake(errno)) return error
  if (errno === 'EFBIG') return tooLarge(`A file of the copy in ${folder} would be`, folder, error)
  if (errno === 'EDQUOT') return full(folder, 'has reached your quota', error)
  if (errno === 'ENOSPC')
    return hasInodes(folder)
      ? full(folder, 'ran full while it was written to', error)
      : full(folder, 'ran out of inodes while it was written to', error, 'NO_INODES')
  const path = pathIn(folder, error)
  // No two entries of an archive have the same name, but some disks do not tell A from a.
  const isTwin = errno === 'EEXIST' && path.includes(`/${EXTRACTING}/`)
  const reason = isTwin ? 'the disk takes its name for that of another file' : meaningOf(errno)
  return new StageError('TARGET_UNWRITABLE', `${path} can't be written: ${reason}`, {
    path,
    hint: 'Name a folder on another disk with --path or CONDA_STAGE_PATH, or work without a copy.',
    cause: error,
  })
}

function full(folder: string, reason: string, cause: unknown, code: 'NO_SPACE' | 'NO_INODES' = 'NO_SPACE'): StageError {
  return new StageError(code, `${folder} ${reason}`, { path: folder, hint: ROOM_HINT, cause })
}

/** True also if that can't be known. */
function hasInodes(folder: string): boolean {
  try {
    const { files, ffree } = statfsSync(folder)
    return files === 0 || ffree > 0
  } catch {
    return true
  }
}

/** The path of the call that failed. A call has two if it makes a link or renames: the second is what it makes. */
function pathIn(folder: string, error: unknown): string {
  const { path, dest } = error as NodeJS.ErrnoException & { dest?: unknown }
  const inside = [dest, path].find((each) => typeof each === 'string' && each.startsWith(`${folder}/`))
  return (inside as string | undefined) ?? folder
}

/** Removes what was made of a stage that failed. If that fails, too, the error also says what is left. */
export async function removeFailed(folder: string, failure: unknown): Promise<unknown> {
  try {
    // Under a name that the next sweep removes, whatever is still in it.
    await removeTree((await setAside(folder, { force: true }).catch(() => undefined)) ?? folder)
    return failure
  } catch (error) {
    if (!(failure instanceof StageError && error instanceof StageError)) return failure
    const { code, message, path, hint = '' } = failure
    return new StageError(code, message, {
      ...(path !== undefined && { path }),
      hint: `${hint}\n       Of what was written, ${error.message}`,
      cause: failure.cause,
    })
  }
}
