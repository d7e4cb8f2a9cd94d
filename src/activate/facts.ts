import type { Dirent } from 'node:fs'
import { join, normalize } from 'node:path'
import type { StageError } from '../errors.ts'
import { isAutoScript, isLeaveScript } from '../model/auto-scripts.ts'
import { realpath, stat } from '../platform/remote-fs.ts'
import type { Dialect } from './dialect.ts'
import { type DialectName, dialects } from './dialects.ts'
import { listed, note } from './listed.ts'
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
 * @param env the session's variables
 */
export async function readFacts(
  prefix: string,
  dialect: DialectName,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<PrefixFacts> {
  const { scriptExtension, condaUnsets }: Dialect = dialects[dialect]
  const failures: StageError[] = []
  const scripts = async (folder: string) =>
    (await filesIn(join(prefix, 'etc/conda', folder), failures)).filter(
      (path) => path.endsWith(scriptExtension) && !isAutoScript(path.slice(prefix.length + 1)) && !isLeaveScript(path),
    )
  const real = realPath(prefix)
  const [{ variables, unreadable, ...rest }, spellings, activateScripts, deactivateScripts] = await Promise.all([
    readVariables(prefix, { dialect, env }),
    real.then((real) => otherSpellings(prefix, real, env.PATH ?? '')),
    scripts('activate.d'),
    scripts('deactivate.d'),
  ])
  return {
    prefix,
    real: await real,
    variables: Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value ?? condaUnsets])),
    ...rest,
    unreadable: [...unreadable, ...failures],
    otherSpellings: spellings,
    activateScripts,
    deactivateScripts: deactivateScripts.reverse(),
  }
}

/** A link, `//`, `/./` and the like. `envs` of a base prefix holds other environments. */
export async function otherSpellings(prefix: string, real: string, path: string): Promise<Record<string, string>> {
  const spellings: Record<string, string> = {}
  for (const entry of new Set(path.split(':'))) {
    if (!entry.startsWith('/') || entry.includes('\uFFFD')) continue
    const isPlain = entry === normalize(entry) && !entry.endsWith('/')
    if (isPlain && (isWithin(entry, prefix) || isWithin(entry, real))) continue
    const target = await realPath(entry)
    const below = target.slice(real.length)
    if (!isWithin(target, real) || isWithin(below, '/envs') || isWithin(below, '/condabin')) continue
    spellings[entry] = below
  }
  return spellings
}

/** A shell that reads a FIFO would wait for ever. */
async function filesIn(folder: string, failures: StageError[]): Promise<string[]> {
  const found = await listed(folder, failures)
  const files = await Promise.all(found.map((one) => isFile(folder, one, failures)))
  const names = found.flatMap(({ name }, at) => (files[at] ? [name] : []))
  return names.sort().map((name) => join(folder, name))
}

async function isFile(folder: string, entry: Dirent, failures: StageError[]): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isFile()
  const path = join(folder, entry.name)
  return await stat(path).then(
    (facts) => facts.isFile(),
    (error) => {
      note(path, error, failures)
      return false
    },
  )
}

export const realPath = (path: string): Promise<string> => realpath(path).catch(() => path)
