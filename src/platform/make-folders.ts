import { dirname } from 'node:path'
import { errnoOf } from './errno.ts'
import { exists, mkdir, stat } from './remote-fs.ts'

/**
 * Makes a folder and those above it that are missing. Node's own `recursive` never ends where a folder can't be made and the system says
 * ENOENT, as in /proc: it makes the parent, which is there, and tries again.
 */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (await isFolder(path, error)) return
    const parent = dirname(path)
    if (errnoOf(error) !== 'ENOENT' || (await exists(parent))) throw error
    await makeFolders(parent, mode)
    await mkdir(path, { mode }).catch(async (again: unknown) => {
      if (!(await isFolder(path, again))) throw again
    })
  }
}

/** Somebody has made it before. */
const isFolder = async (path: string, error: unknown): Promise<boolean> =>
  errnoOf(error) === 'EEXIST' &&
  (await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  ))
