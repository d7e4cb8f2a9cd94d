import { userInfo } from 'node:os'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DialectName, dialects } from '../activate/dialects.ts'
import { hook } from '../activate/hook.ts'
import { isProgram } from './is-program.ts'

/** How a shell is started so that it runs code of ours after the user's own startup files. */
interface Kind {
  dialect: DialectName
  /** The shell function's name. */
  call: string
  args: readonly string[]
  /** Variables that lead the shell to our file. The file gives the user's own values back. */
  variables?: (env: Variables) => Record<string, string>
}

type Variables = Readonly<Record<string, string | undefined>>

const template = (name: string): string => fileURLToPath(new URL(`./templates/${name}`, import.meta.url))

const SH: Kind = {
  dialect: 'sh',
  call: '__conda_stage',
  args: ['-i'],
  variables: ({ ENV = '' }) => ({ ENV: template('shell.sh'), __CONDA_STAGE_ENV: ENV }),
}

const KINDS: Readonly<Record<string, Kind>> = {
  bash: { dialect: 'bash', call: 'conda-stage', args: ['--rcfile', template('shell.bash'), '-i'] },
  zsh: {
    dialect: 'zsh',
    call: 'conda-stage',
    args: ['-i'],
    variables: ({ ZDOTDIR = '' }) => ({ ZDOTDIR: template('zsh'), __CONDA_STAGE_ZDOTDIR: ZDOTDIR }),
  },
  fish: {
    dialect: 'fish',
    call: 'conda-stage',
    args: ['-i', '-C', `source ${dialects.fish.quote(template('shell.fish'))}`],
  },
  tcsh: {
    dialect: 'tcsh',
    call: 'conda-stage',
    args: ['-i'],
    variables: ({ HOME = '' }) => ({ HOME: template('tcsh'), __CONDA_STAGE_HOME: HOME }),
  },
  sh: SH,
  dash: SH,
  ash: SH,
  ksh: SH,
  mksh: SH,
}

/** The shell of this user: SHELL, else by the user database. */
export function shellOf({ SHELL }: Variables): string {
  return [SHELL, ofDatabase()].find((shell) => shell?.startsWith('/') && isProgram(shell)) ?? '/bin/sh'
}

function ofDatabase(): string | undefined {
  try {
    return userInfo().shell ?? undefined
  } catch {
    return undefined // a user of a container may not be in it
  }
}

/**
 * The words that start an interactive shell which reads the user's startup files, gets the shell function and then calls it with
 * these arguments. undefined for a shell that we don't know.
 */
export function shellWords(
  shell: string,
  args: readonly string[],
  { env, launcher }: { env: Variables; launcher: string },
): string[] | undefined {
  const kind = KINDS[basename(shell)]
  if (kind === undefined) return undefined
  const { quote } = dialects[kind.dialect]
  const variables = {
    ...kind.variables?.(env),
    __CONDA_STAGE_HOOK: hook(kind.dialect, launcher),
    __CONDA_STAGE_BEGIN: [kind.call, ...args.map(quote)].join(' '),
  }
  return ['/usr/bin/env', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`), shell, ...kind.args]
}
