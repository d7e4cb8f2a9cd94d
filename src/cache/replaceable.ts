import { foreign } from '../archive/failure.ts'
import { isOurs } from '../archive/reader.ts'
import { errnoOf } from '../platform/errno.ts'
import { lstat } from '../platform/remote-fs.ts'

/**
 * @throws StageError ARCHIVE_FOREIGN if something stands at `path` that is not one of our archives, ARCHIVE_UNREADABLE if that
 *   can't be known; lstat's errors come through.
 */
export async function assertReplaceable(path: string): Promise<void> {
  const stat = await lstat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (stat === undefined) return
  if (stat.isSymbolicLink()) throw foreign(path, 'is a symbolic link, and an archive is a file')
  if (!stat.isFile()) throw foreign(path, 'is not a file')
  if (!(await isOurs(path))) throw foreign(path)
}
