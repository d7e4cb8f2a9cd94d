import { rmSync, writeFileSync, writeSync } from 'node:fs'
import { type DialectName, isDialect } from './dialects.ts'

/**
 * How the shell function (`templates/`), the launcher and the program communicate: through environment variables that
 * exist only during the call.
 *
 * - `__CONDA_STAGE_SHELL`: the dialect. If it is missing, the function did not call the program.
 * - `__CONDA_STAGE_CODE`: where shell code goes, either the number of an open descriptor or the path of a file. A pipe
 *   leaves nothing behind and needs no writable folder; a file is for shells that can't capture a pipe's whole output.
 * - `__CONDA_STAGE_PID`: process of the shell, which may be a subshell; missing if it is unknown.
 * - `__CONDA_STAGE_FLAGS`: `$-`. `__CONDA_STAGE_PS1`: `x` and the prompt, or empty if PS1 is not set.
 * - `__CONDA_STAGE_HELD_NAME`: `x` and the session's value of a variable that Node must not see, or empty if the
 *   session does not set it.
 * - `__CONDA_STAGE_TERMINAL`: `yes` or `no`, whether standard error is a terminal.
 * - `__CONDA_STAGE_BECOMES`: process of the launcher, which runs the code that we print, and so becomes a command.
 * - `__CONDA_STAGE_LAUNCHER`: absolute path of bin/conda-stage, as it was called.
 */
const PROTOCOL = '__CONDA_STAGE_'
const HELD = `${PROTOCOL}HELD_`

export interface Call {
  /** The session's environment variables: without the protocol's own, with those that were held back from Node. */
  env: Record<string, string>
  launcher: string | undefined
  /** Whether standard error is a terminal; undefined if the launcher did not call us. */
  isErrorShown: boolean | undefined
  /** Process of the launcher, if it waits for code by which it becomes a command. */
  becomes: number | undefined
  /** The shell whose function called us and waits for code. */
  shell: CallingShell | undefined
}

export interface CallingShell {
  dialect: DialectName
  code: number | string
  flags: string
  ps1: string | undefined
  pid: number | undefined
}

/** Reads what the function and the launcher put into the program's own environment variables. */
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
  const terminal = processEnv[`${PROTOCOL}TERMINAL`]
  return {
    env,
    launcher: processEnv[`${PROTOCOL}LAUNCHER`],
    isErrorShown: terminal === undefined ? undefined : terminal === 'yes',
    becomes: Number(processEnv[`${PROTOCOL}BECOMES`]) || undefined,
    shell: readShell(processEnv),
  }
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
    pid: Number.parseInt(processEnv[`${PROTOCOL}PID`] ?? '', 10) || undefined,
  }
}

const unmark = (value: string | undefined): string | undefined => (value?.startsWith('x') ? value.slice(1) : undefined)

/** Hands code to the waiting shell function, all of it or nothing. */
export function deliverCode(to: CallingShell['code'], code: string): void {
  try {
    if (typeof to === 'string') writeFileSync(to, code)
    else writeAll(to, Buffer.from(code))
  } catch (error) {
    // The function of a shell that reads a file takes none as a failure. Those that read a pipe know the end by its mark.
    if (typeof to === 'string') rmSync(to, { force: true })
    throw error
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written)
}
