import type { BytePath } from '../model/byte-path.ts'
import { bytePathOf } from '../model/byte-path.ts'
import type { Listed } from '../model/listed.ts'

/** One `--exclude=PATTERN` or `--include=PATTERN`. They apply in the order in which they were given. */
export interface Filter {
  kind: 'exclude' | 'include'
  pattern: string
}

/**
 * What is left when the filters were applied, as conda-pack applies them: each `exclude` takes away what matches, each
 * `include` brings back what matches of that. Patterns match whole paths below the prefix of what is no folder, and of
 * empty folders; folders that lost all that was in them go too.
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

/** All folders, the prefix among them, that have something in them, however deep. */
function foldersOf(entries: readonly Listed[]): Set<BytePath> {
  const folders = new Set<BytePath>([''])
  for (const { path } of entries)
    for (let at = path.lastIndexOf('/'); at > 0 && !folders.has(path.slice(0, at)); at = path.lastIndexOf('/', at - 1))
      folders.add(path.slice(0, at))
  return folders
}

/** As Python's fnmatch: `*` any characters, slashes too, `?` one, `[abc]` and `[!abc]` sets; letter case counts. */
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
