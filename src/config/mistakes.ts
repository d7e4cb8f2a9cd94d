import { StageError } from '../errors.ts'
import type { ConfigFile } from './files.ts'
import type { Mistake } from './parse.ts'

/**
 * Warnings of what is mistaken in the configuration. Mistakes in the user's own file stop what depends on it (`strict`): to
 * go on would be to do something else than was asked. Those in the site's file never do: one slip of an administrator
 * would stop every job of the site.
 * @throws StageError CONFIG
 */
export function configWarnings(files: readonly ConfigFile[], strict: boolean): string[] {
  const fatal = strict ? files.find(({ whose, mistakes }) => whose === 'user' && mistakes.length > 0) : undefined
  if (fatal) {
    const [first, ...others] = linesOf(fatal)
    throw new StageError('CONFIG', [first, ...others].join('\n       '), {
      path: fatal.path,
      hint: 'Nothing was done. Mend that file, or take it away; docs/configuration.md lists what it can hold.',
    })
  }
  return files.flatMap((file) => linesOf(file).map((line) => `${line} (${CONSEQUENCE[file.whose]})`))
}

const CONSEQUENCE = { user: 'passed over', site: 'passed over; please tell the administrators' }

const linesOf = ({ path, mistakes }: ConfigFile): string[] => mistakes.map((mistake) => `${path}${describe(mistake)}`)

const describe = ({ line, key, message }: Mistake): string =>
  `${line === undefined ? '' : `, line ${line}`}: ${key === undefined ? '' : `${key}: `}${message}`
