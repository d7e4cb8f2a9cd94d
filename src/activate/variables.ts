import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StageError } from '../errors.ts'
import { parseForPython, pythonText } from './python-text.ts'

export interface PrefixVariables {
  /** Names as written in the files. `null`: conda unsets it. */
  variables: Record<string, string | null>
  /** Files that hold variables but can't be read. */
  unreadable: StageError[]
  /** Variables that are left out because no shell could set them. Each message names the variable and its file. */
  notTaken: string[]
}

/** `conda env config vars unset` writes this as the value of a variable. */
const UNSET = '***unset***'

/**
 * The variables of `etc/conda/env_vars.d` and of `conda-meta/state`, which wins. Values become what conda exports: for those
 * that aren't strings, that is Python's text of them.
 */
export function readVariables(prefix: string): PrefixVariables {
  const unreadable: StageError[] = []
  const notTaken: string[] = []
  const variables: PrefixVariables['variables'] = {}
  const add = (file: string, found: unknown) => {
    for (const [name, value] of Object.entries(isPlainObject(found) ? found : {})) {
      // A later file can replace the value of an earlier one, or unset it.
      delete variables[name]
      // conda ignores PATH, with a warning. No shell can export what isn't a name.
      if (value === UNSET || name.toUpperCase() === 'PATH' || !/^[A-Za-z_]\w*$/.test(name)) continue
      const text = value === null ? null : pythonText(value)
      if (isTakenByShells(name, text ?? '')) variables[name] = text
      else notTaken.push(`The variable ${name} in ${file} has a value that shells can't take. It is not set`)
    }
  }
  const read = (file: string): unknown => {
    try {
      return parseForPython(readFileSync(file, 'utf8'))
    } catch (cause) {
      unreadable.push(unreadableFile(file, cause))
    }
  }
  for (const file of filesIn(join(prefix, 'etc/conda/env_vars.d'))) add(file, read(file))
  const state = join(prefix, 'conda-meta/state')
  if (isFile(state)) add(state, (read(state) as { env_vars?: unknown } | undefined | null)?.env_vars)
  return { variables, unreadable, notTaken }
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** conda opens everything in the folder. We skip what isn't a file: a folder, or a FIFO, which would block. */
function filesIn(folder: string): string[] {
  try {
    const paths = readdirSync(folder).map((name) => join(folder, name))
    return paths.sort().filter(isFile)
  } catch {
    return [] // not there, or no folder
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Shells don't let anyone set these. */
const READ_ONLY =
  /^(?:BASH_.+|BASHOPTS|SHELLOPTS|[EP]PID|PPID|E?[UG]ID|USERNAME|GROUPS|FUNCNAME|DIRSTACK|STATUS|PIPESTATUS|ARGV)$/i

/** Shells evaluate as an expression, which may contain commands, what is assigned to these. */
const NUMBERS =
  /^(?:S?RANDOM|SECONDS|EPOCHSECONDS|EPOCHREALTIME|LINENO|OPTIND|HISTCMD|HISTSIZE|SAVEHIST|DIRSTACKSIZE|COLUMNS|LINES|BAUD|FUNCNEST|KEYTIMEOUT|LISTMAX|LOGCHECK|MAILCHECK|ERRNO|TTYIDLE|SHLVL)$/i

function isTakenByShells(name: string, value: string): boolean {
  if (value.includes('\0') || READ_ONLY.test(name)) return false
  return !NUMBERS.test(name) || /^\d+$/.test(value)
}

const unreadableFile = (path: string, cause: unknown): StageError =>
  new StageError('UNREADABLE', `${path} can't be read, or is not JSON`, {
    path,
    hint: "It holds variables of the environment. Repair it, or set the variables again with 'conda env config vars set'.",
    cause,
  })
