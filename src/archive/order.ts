import type { BytePath } from '../model/byte-path.ts'

/** The index's order: by the bytes of the path, so that a folder comes before what is in it. */
export function byPath(a: { path: BytePath }, b: { path: BytePath }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

/** The folder that it is in; the prefix counts as being in itself. */
export const parentOf = (path: BytePath): BytePath => path.slice(0, Math.max(0, path.lastIndexOf('/')))
