import { join } from 'node:path'
import { StageError } from '../errors.ts'
import { NotRead, readSmall } from '../platform/read-small.ts'
import { unreadable as failureToRead } from '../platform/unreadable.ts'
import type { DialectName } from './dialects.ts'
import { exportedName } from './exported-name.ts'
import { listed } from './listed.ts'
import { parseForPython, pythonText } from './python-text.ts'
import { whyRefused } from './special-names.ts'

export interface PrefixVariables {
  /** Names as written in the files. `null`: conda unsets it. */
  variables: Record<string, string | null>
  /** Files that hold variables but can't be read. */
  unreadable: StageError[]
  /** Variables that the session's shell must not get. Each message names the variable and its file. */
  notTaken: string[]
}

/** `conda env config vars unset` writes this as the value of a variable. */
const UNSET = '***unset***'

/**
 * The variables of `etc/conda/env_vars.d` and of `conda-meta/state`, which wins. Values become what conda exports: for those
 * that aren't strings, that is Python's text of them.
 */
export async function readVariables(
  prefix: string,
  { dialect, env }: { dialect: DialectName; env: Readonly<Record<string, string | undefined>> },
): Promise<PrefixVariables> {
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
      const refused = whyRefused(dialect, exportedName(env, name), text ?? '')
      if (refused === undefined) variables[name] = text
      else notTaken.push(`The variable ${name} in ${file} is not set: ${refused}`)
    }
  }
  const state = join(prefix, 'conda-meta/state')
  const folder = join(prefix, 'etc/conda/env_vars.d')
  const names = (await listed(folder, unreadable)).map(({ name }) => name).sort()
  const files = [...names.map((name) => join(folder, name)), state]
  const contents = await Promise.all(files.map((file) => readSmall(file, MOST_BYTES).catch(asFailure)))
  for (const [at, content] of contents.entries()) {
    const file = files[at]!
    try {
      if (content instanceof Error) throw content
      const found = parseForPython(String(content))
      add(file, file === state ? (found as { env_vars?: unknown } | null)?.env_vars : found)
    } catch (cause) {
      if (cause instanceof StageError) throw cause // nobody waits any more
      const kind = cause instanceof NotRead ? cause.kind : 'failed'
      // conda opens everything, and waits for a FIFO for ever.
      if (kind === 'special') notTaken.push(`${file} ${(cause as Error).message}; conda-stage ignores it`)
      else if (kind !== 'folder' && kind !== 'missing') unreadable.push(unreadableFile(file, cause))
    }
  }
  return { variables, unreadable, notTaken }
}

const asFailure = (error: Error): Error => error

/** The kernel takes 128 KiB for a variable, and some MiB for all of a program's. */
const MOST_BYTES = 4 * 1024 * 1024

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** @throws what has nothing to do with the file: the session's limits */
function unreadableFile(path: string, cause: unknown): StageError {
  if (cause instanceof NotRead && cause.kind === 'failed') {
    const failure = failureToRead(path, cause.cause)
    if (failure instanceof StageError) return failure
    throw failure
  }
  return new StageError('UNREADABLE', `${path} can't be read, or is not JSON`, {
    path,
    hint: "It holds variables of the environment. Repair it, or set the variables again with 'conda env config vars set'.",
    cause,
  })
}
