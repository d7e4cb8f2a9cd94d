/**
 * A file name or path as bytes: a string in which each character is one byte (latin1), since names on Linux need not be
 * UTF-8. In entries it is relative to the prefix, separated by '/'; '' is the prefix itself.
 */
export type BytePath = string

export const bytesOf = (path: BytePath): Buffer => Buffer.from(path, 'latin1')

/** For people: the bytes read as UTF-8. */
export const displayPath = (path: BytePath): string => (isAscii(path) ? path : bytesOf(path).toString('utf8'))

/** The bytes of a UTF-8 string as a BytePath. */
export const bytePathOf = (text: string): BytePath =>
  isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

/** Nearly all paths are. ASCII is the same in both encodings and need not be converted. */
export const isAscii = (text: string): boolean => !BEYOND_ASCII.test(text)

const BEYOND_ASCII = /[^\0-\x7f]/

/** A path for node:fs: `root` (an ordinary string) joined with a BytePath below it. */
export function fsPath(root: string, path: BytePath): Buffer {
  return path === '' ? Buffer.from(root) : bytesOf(`${bytePathOf(root)}/${path}`)
}

/** The order of lists and of the index, by the bytes of the path: a folder comes before what is in it. */
export const byPath = (a: { path: BytePath }, b: { path: BytePath }): number =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0

/** The folder that holds the path. The prefix counts as its own parent. */
export const parentOf = (path: BytePath): BytePath => path.slice(0, Math.max(0, path.lastIndexOf('/')))
