import { readdirSync, realpathSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { isAutoScript, isLeaveScript } from '../model/auto-scripts.ts'
import type { Dialect } from './dialect.ts'
import { type DialectName, dialects } from './dialects.ts'
import { isWithin } from './path.ts'
import { type PrefixVariables, readVariables } from './variables.ts'

/** What activation needs to know about an environment. */
export interface PrefixFacts extends PrefixVariables {
  /** The value for CONDA_PREFIX: absolute, without a trailing slash. */
  prefix: string
  /** With symbolic links resolved. */
  real: string
  /** Entries of PATH that lead into the environment but spell it otherwise, each with its path below the prefix (`/bin`). */
  otherSpellings: Record<string, string>
  /** In the order in which they run, without those of automatic staging. */
  activateScripts: string[]
  deactivateScripts: string[]
}

/**
 * Reads what conda reads to activate an environment. A prefix that is gone has no variables and no scripts.
 *
 * @param path PATH of the session
 */
export function readFacts(prefix: string, dialect: DialectName, path = ''): PrefixFacts {
  const { scriptExtension, condaUnsets }: Dialect = dialects[dialect]
  const scripts = (folder: string) =>
    list(join(prefix, 'etc/conda', folder)).filter(
      (path) => path.endsWith(scriptExtension) && !isAutoScript(path.slice(prefix.length + 1)) && !isLeaveScript(path),
    )
  const real = realPath(prefix)
  const { variables, ...rest } = readVariables(prefix)
  return {
    prefix,
    real,
    variables: Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value ?? condaUnsets])),
    ...rest,
    otherSpellings: otherSpellings(prefix, real, path),
    activateScripts: scripts('activate.d'),
    deactivateScripts: scripts('deactivate.d').reverse(),
  }
}

/** A link, `//`, `/./` and the like. `envs` of a base prefix holds other environments. */
function otherSpellings(prefix: string, real: string, path: string): Record<string, string> {
  const spellings: Record<string, string> = {}
  for (const entry of new Set(path.split(':'))) {
    if (!entry.startsWith('/') || entry.includes('\uFFFD')) continue
    const isPlain = entry === normalize(entry) && !entry.endsWith('/')
    if (isPlain && (isWithin(entry, prefix) || isWithin(entry, real))) continue
    const target = realPath(entry)
    const below = target.slice(real.length)
    if (!isWithin(target, real) || isWithin(below, '/envs') || isWithin(below, '/condabin')) continue
    spellings[entry] = below
  }
  return spellings
}

function list(folder: string): string[] {
  return orIfUnreadable(() => readdirSync(folder).sort(), []).map((name) => join(folder, name))
}

const realPath = (path: string): string => orIfUnreadable(() => realpathSync.native(path), path)

/** conda passes over what it can't read, too. */
function orIfUnreadable<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}
