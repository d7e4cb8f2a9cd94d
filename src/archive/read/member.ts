import type { BytePath } from '../../model/byte-path.ts'
import { Malformed } from './malformed.ts'

/** A member of a tar or a zip, whoever wrote it. */
export interface Member {
  /** As in the archive, but without './' in front and a slash at the end. '' is the folder of all others. */
  path: BytePath
  type: 'file' | 'directory' | 'symlink' | 'hardlink'
  mode: number
  mtimeNs: bigint
  /** Of a file, in bytes. */
  size: number
  /** Of a link. A hard link's is a path like `path`. */
  target: BytePath
  /** Can be read once, until the next member is asked for. */
  content: AsyncIterable<Buffer>
}

/** Linux takes no longer name, and no longer path: 4,096 bytes with the NUL behind it. */
const LONGEST_NAME = 255
export const LONGEST_PATH = 4095

/**
 * The path that a member's name stands for. All tools that unpack the archive have to understand it in the same way, so nothing in
 * it may need an interpretation.
 * @throws Malformed for a name that leads out of the archive, or that no file can have
 */
export function memberPath(name: BytePath): BytePath {
  if (name === '.' || name === './') return ''
  const path = name.replace(/^\.\//, '').replace(/\/$/, '')
  const wrong = name === '' ? 'has no name' : name === '/' ? 'leads out of it' : wrongPath(path)
  if (wrong !== undefined) throw new Malformed(wrong, name)
  return path
}

/** Why this can't be the path of a file below a folder; undefined if it can. */
export function wrongPath(path: BytePath): string | undefined {
  if (path.startsWith('/')) return 'leads out of it'
  return wrongLength(path) ?? path.split('/').map(wrongName).find(Boolean)
}

export const wrongLength = (path: BytePath): string | undefined =>
  path.length > LONGEST_PATH ? `has a path of ${path.length} bytes` : undefined

/** Why this can't be the name of a file in a folder; undefined if it can. */
export function wrongName(name: BytePath): string | undefined {
  if (name === '..') return 'leads out of it'
  if (name === '' || name === '.') return 'has an empty part in its path'
  if (name.length > LONGEST_NAME) return `has a name of ${name.length} bytes`
  return name.includes('\0') ? 'has a NUL in its name' : undefined
}

/** Why no symbolic link can have this target; undefined if one can. It may lead anywhere: nothing is written through links. */
export function wrongTarget(target: BytePath): string | undefined {
  if (target === '') return 'is a symbolic link without a target'
  if (target.includes('\0')) return 'is a symbolic link with a NUL in its target'
  return target.length > LONGEST_PATH ? `is a symbolic link with a target of ${target.length} bytes` : undefined
}
