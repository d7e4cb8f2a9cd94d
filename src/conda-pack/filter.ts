import type { BytePath } from '../model/byte-path.ts'
import { bytePathOf } from '../model/byte-path.ts'
import type { Listed } from '../model/listed.ts'

/** One `--exclude=PATTERN` or `--include=PATTERN`. */
export interface Filter {
  kind: 'exclude' | 'include'
  pattern: string
}

/**
 * Applies filters as conda-pack does, in the order given: `exclude` drops what matches, `include` brings back what matches
 * among the dropped. A pattern has to match the whole path below the prefix. It is tried on everything but folders that
 * hold something; such a folder is dropped once all that it held is.
 */
export function filterEntries(entries: readonly Listed[], filters: readonly Filter[]): Listed[] {
  if (filters.length === 0) return [...entries]
  const tests = filters.map(({ kind, pattern }) => ({ keep: kind === 'include', matches: matcher(pattern) }))
  const filled = foldersOf(entries)
  const isKept = ({ path, type }: Listed) => {
    if (type === 'directory' && (path === '' || filled.has(path))) return true
    return tests.reduce((kept, { keep, matches }) => (kept !== keep && matches(path) ? keep : kept), true)
  }
  const kept = entries.filter(isKept)
  const stillFilled = foldersOf(kept.filter((entry) => entry.type !== 'directory' || !filled.has(entry.path)))
  return kept.filter(({ path, type }) => type !== 'directory' || !filled.has(path) || stillFilled.has(path))
}

/** All folders that hold something, at whatever depth. The prefix always counts. */
function foldersOf(entries: readonly Listed[]): Set<BytePath> {
  const folders = new Set<BytePath>([''])
  for (const { path } of entries)
    for (let at = path.lastIndexOf('/'); at > 0 && !folders.has(path.slice(0, at)); at = path.lastIndexOf('/', at - 1))
      folders.add(path.slice(0, at))
  return folders
}

/**
 * Matches like Python's fnmatch: `*` stands for any characters, slashes included, `?` for one, `[abc]` and `[!abc]` for
 * sets. Case matters.
 */
function matcher(pattern: string): (path: BytePath) => boolean {
  const source = bytePathOf(pattern).replace(
    /\*+|\?|\[(!?)(\]?[^\]]*)\]|[\s\S]/g,
    (part, not: string | undefined, set: string | undefined) => {
      if (part.startsWith('*')) return '.*'
      if (part === '?') return '.'
      if (set !== undefined && set !== '') return `[${not ? '^' : ''}${set.replace(/[\\\]^[]/g, '\\$&')}]`
      return part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    },
  )
  const expression = new RegExp(`^${source}$`, 's')
  return (path) => expression.test(path)
}
