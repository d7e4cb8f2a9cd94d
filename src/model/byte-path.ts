/**
 * A file name or path as bytes: a string in which each character is one byte (latin1), since names on Linux need not be
 * UTF-8. In entries it is relative to the prefix, separated by '/'; '' is the prefix itself.
 */
export type BytePath = string

export const bytesOf = (path: BytePath): Buffer => Buffer.from(path, 'latin1')

/** For people: the bytes read as UTF-8, and those that are not UTF-8 as `\\xff`. */
export const displayPath = (path: BytePath): string => (isAscii(path) ? path : path.replace(PARTS, decoded))

/** As much ASCII as there is, a character of several bytes, or a byte that is part of none. */
const PARTS = new RegExp(
  [
    /[\0-\x7f]+/,
    /[\xc2-\xdf][\x80-\xbf]/,
    /\xe0[\xa0-\xbf][\x80-\xbf]/,
    /\xed[\x80-\x9f][\x80-\xbf]/,
    /[\xe1-\xec\xee\xef][\x80-\xbf]{2}/,
    /\xf0[\x90-\xbf][\x80-\xbf]{2}/,
    /\xf4[\x80-\x8f][\x80-\xbf]{2}/,
    /[\xf1-\xf3][\x80-\xbf]{3}/,
    /[\x80-\xff]/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
)

function decoded(part: BytePath): string {
  if (part.length > 1 || part < '\x80') return bytesOf(part).toString('utf8')
  return `\\x${part.charCodeAt(0).toString(16)}`
}

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
