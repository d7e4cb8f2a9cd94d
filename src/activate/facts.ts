import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { StageError } from '../errors.ts'
import { isAutoScript } from '../model/auto-scripts.ts'
import { type DialectName, dialects } from './dialects.ts'

/** What activation needs to know about an environment. */
export interface PrefixFacts {
  /** The value for CONDA_PREFIX: absolute, without a trailing slash. */
  prefix: string
  /** With symbolic links resolved. */
  real: string
  /** From `etc/conda/env_vars.d` and `conda-meta/state`, which wins. Names as written there. */
  variables: Record<string, string>
  /** In the order in which they run, without those of automatic staging. */
  activateScripts: string[]
  deactivateScripts: string[]
}

/**
 * Reads what conda reads to activate an environment. A prefix that is gone has no variables and no scripts.
 *
 * @throws StageError UNREADABLE if a file of variables is not JSON
 */
export function readFacts(prefix: string, dialect: DialectName): PrefixFacts {
  const scripts = (folder: string) =>
    list(join(prefix, 'etc/conda', folder)).filter(
      (path) => path.endsWith(dialects[dialect].scriptExtension) && !isAutoScript(path.slice(prefix.length + 1)),
    )
  return {
    prefix,
    real: realPath(prefix),
    variables: readVariables(prefix),
    activateScripts: scripts('activate.d'),
    deactivateScripts: scripts('deactivate.d').reverse(),
  }
}

/** `conda env config vars unset` writes this as the value of a variable. */
const UNSET = '***unset***'

function readVariables(prefix: string): Record<string, string> {
  const fromPackages = list(join(prefix, 'etc/conda/env_vars.d')).map(readJson)
  const state = readJson(join(prefix, 'conda-meta/state'))
  const variables = Object.assign({}, ...fromPackages, state?.env_vars) as Record<string, unknown>
  // PATH is reserved: conda ignores it, with a warning. No shell can export what isn't a name.
  const isUsable = ([name, value]: [string, unknown]) =>
    name.toUpperCase() !== 'PATH' && /^[A-Za-z_]\w*$/.test(name) && value !== UNSET
  return Object.fromEntries(
    Object.entries(variables)
      .filter(isUsable)
      .map(([name, value]) => [name, String(value)]),
  )
}

function readJson(path: string): Record<string, unknown> | undefined {
  const text = orIfMissing(() => readFileSync(path, 'utf8'), undefined)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw new StageError('UNREADABLE', `${path} is not JSON`, {
      path,
      cause,
      hint: "It holds variables of the environment. Repair it, or set the variables again with 'conda env config vars set'.",
    })
  }
}

function list(folder: string): string[] {
  return orIfMissing(() => readdirSync(folder).sort(), []).map((name) => join(folder, name))
}

const realPath = (path: string): string => orIfMissing(() => realpathSync(path), path)

function orIfMissing<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return otherwise
    throw error
  }
}
