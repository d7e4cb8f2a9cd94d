import type { Dirent } from 'node:fs'
import { StageError } from '../errors.ts'
import { errnoOf } from '../platform/errno.ts'
import { readdir } from '../platform/remote-fs.ts'
import { isGone, unreadable } from '../platform/unreadable.ts'

/**
 * What a folder holds that activation reads. conda passes over one that is not there or is forbidden. One that can't be read
 * for another reason goes to `failures`: without its scripts and variables, an environment would be active by halves.
 */
export async function listed(folder: string, failures: StageError[]): Promise<Dirent[]> {
  return await readdir(folder, { withFileTypes: true }).catch((error) => {
    note(folder, error, failures)
    return []
  })
}

/** @throws what has nothing to do with the path: the session's limits, or that nobody waits any more */
export function note(path: string, error: unknown, failures: StageError[]): void {
  if (isGone(error) || ['EACCES', 'EPERM', 'ELOOP'].includes(errnoOf(error) ?? '')) return
  const failure = unreadable(path, error)
  if (!(failure instanceof StageError && failure.code === 'UNREADABLE')) throw failure
  failures.push(failure)
}
