import { StageError } from '../errors.ts'
import type { ConfigFile } from './files.ts'
import type { Mistake } from './parse.ts'

/**
 * Warnings about mistakes in the configuration. If `strict`, a mistake in the user's own file is an error, because going on
 * would do something other than what the user asked for. A mistake in the site's file is always a warning: an error
 * would stop every job of the site for one slip of an administrator.
 * @throws StageError CONFIG
 */
export function configWarnings(files: readonly ConfigFile[], strict: boolean): string[] {
  const fatal = strict ? files.find(({ whose, mistakes }) => whose === 'user' && mistakes.length > 0) : undefined
  if (fatal) {
    const [first = '', ...others] = linesOf(fatal)
    throw new StageError('CONFIG', first, {
      path: fatal.path,
      lines: others,
      hint: 'Nothing was done. Correct that file or remove it; docs/configuration.md lists its settings.',
    })
  }
  return files.flatMap((file) => linesOf(file).map((line) => `${line} (${CONSEQUENCE[file.whose]})`))
}

const CONSEQUENCE = { user: 'ignored', site: 'ignored; please tell the administrators' }

const linesOf = ({ path, mistakes }: ConfigFile): string[] => mistakes.map((mistake) => `${path}${describe(mistake)}`)

const describe = ({ line, key, message }: Mistake): string =>
  `${line === undefined ? '' : `, line ${line}`}: ${key === undefined ? '' : `${key}: `}${message}`
