import { basename, dirname, join } from 'node:path'
import { isCancelled } from '../errors.ts'
import { realpath } from './remote-fs.ts'

/** Whether a path is one of these folders or in one, by its name or with symbolic links followed. Its end need not be there. */
export async function isInside(path: string, folders: readonly string[]): Promise<boolean> {
  return isBelow(path, folders) || (folders.length > 0 && isBelow(await realOf(path), folders))
}

/** The same of a path as it is written. */
export const isBelow = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => `${path}/`.startsWith(`${folder}/`))

/** Of a path whose end need not be there. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (isCancelled(error)) throw error
    return path === '/' ? path : join(await realOf(dirname(path)), basename(path))
  }
}
