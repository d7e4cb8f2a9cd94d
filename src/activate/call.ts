import { writeFileSync, writeSync } from 'node:fs'
import { type DialectName, isDialect } from './dialects.ts'

/**
 * How the shell function (`templates/`), the launcher and the program talk, in variables of the environment that
 * exist for the one call:
 *
 * - `__CONDA_STAGE_SHELL`: the dialect. Its absence means that the program wasn't called by the function.
 * - `__CONDA_STAGE_CODE`: where shell code goes, the number of an open descriptor or the path of a file. A pipe
 *   leaves nothing behind and needs no writable folder; a file is for shells that can't catch a pipe's output whole.
 * - `__CONDA_STAGE_FLAGS`: `$-`. `__CONDA_STAGE_PS1`: `x` and the prompt, or empty where PS1 is not set.
 * - `__CONDA_STAGE_HELD_NAME`: `x` and the session's value of a variable that was kept from Node, or empty where it
 *   is not set.
 * - `__CONDA_STAGE_LAUNCHER`: absolute path of bin/conda-stage, as it was called.
 */
const PROTOCOL = '__CONDA_STAGE_'
const HELD = `${PROTOCOL}HELD_`

export interface Call {
  /** The session's environment: without what is between the parts of conda-stage, with what was kept from Node. */
  env: Record<string, string>
  launcher: string | undefined
  /** The shell function that called, and waits for code. */
  shell: CallingShell | undefined
}

export interface CallingShell {
  dialect: DialectName
  code: number | string
  flags: string
  ps1: string | undefined
}

/** Read what function and launcher left in the program's own environment. */
export function readCall(processEnv: Readonly<Record<string, string | undefined>>): Call {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(processEnv)) {
    if (value !== undefined && !name.startsWith(PROTOCOL) && name !== 'UV_THREADPOOL_SIZE') env[name] = value
  }
  for (const [name, value] of Object.entries(processEnv)) {
    if (!name.startsWith(HELD)) continue
    const original = unmark(value)
    if (original === undefined) delete env[name.slice(HELD.length)]
    else env[name.slice(HELD.length)] = original
  }
  return { env, launcher: processEnv[`${PROTOCOL}LAUNCHER`], shell: readShell(processEnv) }
}

function readShell(processEnv: Readonly<Record<string, string | undefined>>): CallingShell | undefined {
  const dialect = processEnv[`${PROTOCOL}SHELL`]
  const code = processEnv[`${PROTOCOL}CODE`]
  if (!dialect || !isDialect(dialect) || !code) return undefined
  return {
    dialect,
    code: /^\d+$/.test(code) ? Number(code) : code,
    flags: processEnv[`${PROTOCOL}FLAGS`] ?? '',
    ps1: unmark(processEnv[`${PROTOCOL}PS1`]),
  }
}

const unmark = (value: string | undefined): string | undefined => (value?.startsWith('x') ? value.slice(1) : undefined)

/** Hand code to the waiting shell function, whole and at once. */
export function deliverCode(to: CallingShell['code'], code: string): void {
  if (typeof to === 'string') {
    writeFileSync(to, code)
    return
  }
  const bytes = Buffer.from(code)
  for (let written = 0; written < bytes.length; ) written += writeSync(to, bytes, written)
}
