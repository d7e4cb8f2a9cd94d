import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { programs } from './programs.ts'

const here = dirname(fileURLToPath(import.meta.url))
const repository = dirname(dirname(here))

export interface Shell<Dialect = 'bash' | 'zsh' | 'sh'> {
  name: string
  dialect: Dialect
  argv: string[]
}
export type AnyShell = Shell<keyof typeof LANGUAGES>

export const SHELLS: Shell[] = [
  { name: 'bash', dialect: 'bash', argv: ['bash', '--norc'] },
  { name: 'bash --posix', dialect: 'bash', argv: ['bash', '--norc', '--posix'] },
  { name: 'zsh', dialect: 'zsh', argv: ['zsh', '--no-rcs'] },
  { name: 'dash', dialect: 'sh', argv: ['dash'] },
]

export const FISH: Shell<'fish'> = { name: 'fish', dialect: 'fish', argv: ['fish', '--no-config'] }
export const TCSH: Shell<'tcsh'> = { name: 'tcsh', dialect: 'tcsh', argv: ['tcsh', '-f'] }

/** Python of a real conda, if there is one for the tests. */
const REAL_CONDA = process.env.CONDA_STAGE_TEST_CONDA
export const CONDAS = REAL_CONDA ? (['stand-in', 'real'] as const) : (['stand-in'] as const)
export type Conda = (typeof CONDAS)[number]

export interface Run {
  stdout: string
  stderr: string
  status: number | null
}

/** The state of a session that `dump` wrote. */
export interface Dump {
  env: Record<string, string>
  /** All variables of the shell, options, aliases, functions, traps and descriptors, in lines. */
  rest: string[]
}

/**
 * A conda installation with a few environments, a copy of one of them as a stage would be, and an installation of
 * conda-stage with `driver.ts` as its program. Dispose of it at the end of the test.
 */
export class World implements Disposable {
  readonly root: string
  readonly conda: string
  readonly installation: string
  readonly launcher: string
  readonly log: string
  private dumps = 0

  constructor(name = 'a b') {
    const folder = mkdtempSync(join(tmpdir(), 'shells-'))
    this.root = join(folder, name)
    this.installation = join(folder, `it's "the" $in stallation`)
    this.conda = join(this.root, 'conda')
    this.launcher = join(this.installation, 'bin/conda-stage')
    this.log = join(this.root, 'conda.log')
    for (const path of ['conda-meta', 'bin', 'condabin']) mkdirSync(join(this.conda, path), { recursive: true })
    for (const path of ['bin', 'dist']) mkdirSync(join(this.installation, path), { recursive: true })
    copyFileSync(join(repository, 'bin/conda-stage'), this.launcher)
    chmodSync(this.launcher, 0o755)
    symlinkSync(join(repository, 'node_modules'), join(this.installation, 'node_modules'))
    symlinkSync(join(programs(), 'driver.cjs'), join(this.installation, 'dist/bin.cjs'))
    this.write('conda.log', '')
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), text)
  }

  /** Makes an environment below `envs`, and returns its prefix. */
  environment(name: string, { variables = {}, scripts = {} }: EnvironmentParts = {}): string {
    const path = `conda/envs/${name}`
    this.write(`${path}/conda-meta/history`, '')
    this.write(`${path}/conda-meta/state`, JSON.stringify({ env_vars: variables }))
    mkdirSync(join(this.root, path, 'bin'), { recursive: true })
    for (const [file, text] of Object.entries(scripts)) this.write(`${path}/etc/conda/${file}`, text)
    return join(this.root, path)
  }

  /** Copies an environment as staging would, with its variables relocated, and returns the new prefix. */
  stage(prefix: string, folder = 'local/conda-stage_Tok'): string {
    const staged = join(this.root, folder, prefix.slice(prefix.lastIndexOf('/') + 1))
    cpSync(prefix, staged, { recursive: true })
    const state = join(staged, 'conda-meta/state')
    writeFileSync(state, readFileSync(state, 'utf8').replaceAll(prefix, staged))
    return staged
  }

  /** Runs a script in which `dump NAME`, `conda` (unless 'none') and `conda-stage` are loaded. */
  run(shell: AnyShell, conda: Conda | 'none', script: string, env: Record<string, string> = {}): Run {
    return this.runWith(this.preludeOfHook(shell), shell, conda, script, env)
  }

  /** Runs a script in which `hook` loads another `conda-stage`. */
  runWith(hook: string, shell: AnyShell, conda: Conda | 'none', script: string, env: Record<string, string> = {}): Run {
    const file = join(this.root, `script${this.dumps++}`)
    const lines = [LANGUAGES[shell.dialect].dump, ...this.preludeOfConda(shell, conda), hook, script]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const [program = '', ...args] = shell.argv
    const { stdout, stderr, status, error } = spawnSync(program, [...args, file], {
      encoding: 'utf8',
      cwd: this.root,
      env: { ...this.variables(), ...env },
    })
    assert.equal(error, undefined, `${shell.name} has to be installed`)
    return { stdout, stderr, status }
  }

  dump(name: string): Dump {
    const records = readFileSync(join(this.root, `${name}.env`), 'utf8')
      .split('\0')
      .filter(Boolean)
    const env = Object.fromEntries(records.map((line) => [line.split('=', 1)[0]!, line.slice(line.indexOf('=') + 1)]))
    delete env._
    const rest = readFileSync(join(this.root, `${name}.rest`), 'utf8').split('\n')
    return { env, rest: rest.filter((line) => !CHANGING.test(line)) }
  }

  callsOfConda(): string[] {
    return readFileSync(this.log, 'utf8').split('\n').filter(Boolean)
  }

  [Symbol.dispose](): void {
    rmSync(dirname(this.root), { recursive: true, force: true })
  }

  private variables(): Record<string, string> {
    return {
      PATH: '/usr/bin:/bin',
      HOME: this.root,
      LANG: 'C.UTF-8',
      CONDA_ENVS_PATH: join(this.conda, 'envs'),
      CONDA_AUTO_ACTIVATE: 'false',
      CONDA_ROOT_STAND_IN: this.conda,
      CONDA_LOG_STAND_IN: this.log,
      CONDA_EXE_STAND_IN: join(programs(), 'conda-stand-in.cjs'),
      CONDA_CSH_STAND_IN: join(here, 'conda-stand-in.csh'),
      NODE_STAND_IN: process.execPath,
    }
  }

  private preludeOfConda({ dialect }: AnyShell, conda: Conda | 'none'): string[] {
    const { conda: name, load } = LANGUAGES[dialect]
    if (conda === 'none') return []
    if (conda === 'stand-in') return load(`cat '${join(here, `conda-stand-in.${name.replace('posix', 'sh')}`)}'`)
    return name === 'csh' ? [this.realCondaOfCsh()] : load(`${REAL_CONDA} -m conda shell.${name} hook`)
  }

  /** conda's alias for csh sources a file beside the program, where pip does not install it. */
  private realCondaOfCsh(): string {
    const root = join(dirname(this.root), 'real')
    for (const folder of ['bin', 'etc/profile.d']) mkdirSync(join(root, folder), { recursive: true })
    const code = 'import conda, os; print(os.path.dirname(conda.__file__) + "/shell/etc/profile.d/conda.csh")'
    const { stdout } = spawnSync(REAL_CONDA!, ['-c', code], { encoding: 'utf8' })
    symlinkSync(stdout.trim(), join(root, 'etc/profile.d/conda.csh'))
    writeFileSync(join(root, 'bin/conda'), `#!/bin/sh\nexec '${dirname(REAL_CONDA!)}/conda' "$@"\n`, { mode: 0o755 })
    return `setenv _CONDA_EXE ${root}/bin/conda; source ${root}/etc/profile.d/conda.csh`
  }

  private preludeOfHook({ dialect }: AnyShell): string {
    return LANGUAGES[dialect].load(`${quoted(this.launcher)} source ${dialect}`).join('\n')
  }
}

export interface EnvironmentParts {
  variables?: Record<string, string>
  /** By path below etc/conda. */
  scripts?: Record<string, string>
}

export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Fails unless two states look the same to the user. */
export function assertSame(after: Dump, before: Dump): void {
  assert.deepEqual(after.env, before.env)
  assert.deepEqual(after.rest, before.rest)
}

/** `load` makes the session read the code that a command prints; `conda` is conda's name of the language. */
const posix = { conda: 'posix', load: (command: string) => [`eval "$(${command})"`] }

// The shell's own descriptors, also in a subshell: $$ would be its parent, which has a pipe to it for a moment.
const LANGUAGES = {
  bash: {
    ...posix,
    dump: `dump() {
    command env -0 > "$1.env"
    { ( set -o posix; set ); shopt -p; set +o; alias; declare -F; trap -p; echo /proc/self/fd/*; } > "$1.rest"
  }`,
  },
  zsh: {
    ...posix,
    dump: `dump() {
    command env -0 > "$1.env"
    { set; setopt; alias; print -l \${(k)functions}; trap; () {
      local fd # that of the listing itself has gone by then
      for fd in /proc/self/fd/*(N); do if [[ -e $fd ]]; then print $fd; fi; done
    }; } > "$1.rest"
  }`,
  },
  sh: {
    ...posix,
    dump: `dump() {
    command env -0 > "$1.env"
    { set; set -o; alias; trap; echo /proc/self/fd/*; } > "$1.rest"
  }`,
  },
  fish: {
    conda: 'fish',
    load: (command: string) => [`${command.replaceAll("'\\''", "\\'")} | source`],
    dump: `function dump
    command env -0 > $argv[1].env
    begin; set; functions -a -n; bind 2> /dev/null; complete; echo /proc/$fish_pid/fd/*; end > $argv[1].rest
  end`,
  },
  tcsh: {
    conda: 'csh',
    load: (command: string) => [`${command} > .loaded`, 'source .loaded'],
    dump: `echo '( env -0 ) >\\! $1.env; ( set; alias; echo /proc/$$/fd/* ) >\\! $1.rest' > .dump
    alias dump 'source .dump \\!*'`,
  },
}

/** Variables that shells themselves change all the time. */
const CHANGING =
  /^'?(_|history|ask_conda|conda_tmp_status|LINENO|RANDOM|SRANDOM|SECONDS|EPOCHSECONDS|EPOCHREALTIME|BASH_\w+|PIPESTATUS|pipestatus|TTYIDLE|PPID|[?!$*@]|argv|status|EUID)'?[=\s]/
