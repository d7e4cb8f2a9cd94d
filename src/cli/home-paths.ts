import { join } from 'node:path'
import { homeOf } from '../platform/home.ts'

/** Options that take a path. That of --dest-prefix may be any text. */
const PATHS = ['path', 'prefix', 'output', 'archive', 'wrappers', 'report'] as const

/**
 * `~` and `~/...` at the beginning of a path as the home folder. bash and sh replace it in `-o ~/x`, but not in `--output=~/x`: we would
 * make a folder of that name in the current folder, which a user removes by `rm -r '~'` at best. `./~/x` names such a folder.
 */
export function withHome(given: Record<string, unknown>, env: { HOME?: string | undefined }): Record<string, unknown> {
  const replaced = PATHS.flatMap((name) => {
    const path = given[name]
    return typeof path === 'string' && /^~(?:\/|$)/.test(path) ? [[name, join(homeOf(env), path.slice(1))]] : []
  })
  return { ...given, ...Object.fromEntries(replaced) }
}
