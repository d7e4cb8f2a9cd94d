import { basename, dirname, join } from 'node:path'
import { realpath } from './remote-fs.ts'

/** Whether a path is one of these folders or in one, by its name or with symbolic links followed. Its end need not be there. */
export async function isInside(path: string, folders: readonly string[]): Promise<boolean> {
  return isBelow(path, folders) || isBelow(await realOf(path), folders)
}

/** The same of a path as it is written. */
export const isBelow = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => `${path}/`.startsWith(`${folder}/`))

/** Of a path whose end need not be there. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    return path === '/' ? path : join(await realOf(dirname(path)), basename(path))
  }
}
