import { type BytePath, bytePathOf, parentOf } from '../model/byte-path.ts'
import type { Outward } from '../model/relocation.ts'
import { relocateRelative } from './symlink.ts'

/** In these files Python finds modules by paths that may be relative to the file's folder. */
const PATH_FILE = /(?:^|\/)site-packages\/[^/]+\.(pth|egg-link)$/

/**
 * The relative paths in a `.pth` or `.egg-link` file that lead out of the environment: as they are, they would lead elsewhere
 * from a copy. `undefined` for any other file, and if there are none.
 * @param file its path below the prefix
 */
export function outwardPaths(file: BytePath, content: Buffer, from: readonly string[]): Outward[] | undefined {
  const kind = PATH_FILE.exec(file)?.[1]
  if (kind === undefined) return undefined
  const found: Outward[] = []
  for (const { index, 0: line } of content.toString('latin1').matchAll(/[^\r\n]+/g)) {
    const mark = index === 0 && line.startsWith(BOM) ? BOM.length : 0
    const text = line.slice(mark).trimEnd()
    if (text !== '' && !NO_PATH.test(text) && pathInCopy(text, file, from) !== text)
      found.push({ offset: index + mark, length: text.length })
    if (kind === 'egg-link' && text !== '') break
  }
  return found.length > 0 ? found : undefined
}

/**
 * What such a path must be in a copy. Python counts `..` from the prefix by which it was started: it does not resolve links.
 * @param from the original's prefixes, the logical one first
 */
export const pathInCopy = (text: BytePath, file: BytePath, from: readonly string[]): BytePath =>
  text.startsWith('/') ? text : (relocateRelative(text, { folder: parentOf(file), from, start: from[0]! }) ?? text)

/** A UTF-8 byte order mark, which Python skips. */
const BOM = bytePathOf('\uFEFF')
/** Comments, and lines of code. */
const NO_PATH = /^(?:#|import[ \t])/
