/** Sessions of real shells with real module systems, and modulefiles for an installation with a difficult path. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ModuleSystemName, modulefile } from '../../src/modulefile/modulefile.ts'
import { quoted } from '../shells/world.ts'
import { environmentModules } from './environment-modules.ts'

export interface Shell {
  name: string
  dialect: 'bash' | 'zsh' | 'sh' | 'fish' | 'tcsh'
  argv: string[]
}

export const SHELLS: Shell[] = [
  { name: 'bash', dialect: 'bash', argv: ['bash', '--norc'] },
  { name: 'bash --posix', dialect: 'bash', argv: ['bash', '--norc', '--posix'] },
  { name: 'zsh', dialect: 'zsh', argv: ['zsh', '--no-rcs'] },
  { name: 'dash', dialect: 'sh', argv: ['dash'] },
]

export const FISH: Shell = { name: 'fish', dialect: 'fish', argv: ['fish', '--no-config'] }
export const TCSH: Shell = { name: 'tcsh', dialect: 'tcsh', argv: ['tcsh', '-f'] }

export interface System {
  name: string
  kind: ModuleSystemName
  /** Folder with its init scripts. */
  init: string
  /** Shell code that calls the program behind the `module` function. */
  command: string
  extension: string
  addToModulePath(folder: string): string
}

const environmentModulesInit = await environmentModules()

export const SYSTEMS: System[] = [
  {
    name: 'Lmod',
    kind: 'lmod',
    init: '/usr/share/lmod/lmod/init',
    command: '$LMOD_CMD',
    extension: '.lua',
    addToModulePath: (folder) => `prepend_path("MODULEPATH", "${folder}")\n`,
  },
  {
    name: 'Environment Modules',
    kind: 'tcl',
    init: environmentModulesInit,
    command: `/usr/bin/tclsh ${quoted(join(environmentModulesInit, '../../../lib/modulecmd.tcl'))}`,
    extension: '',
    addToModulePath: (folder) => `#%Module1.0\nprepend-path MODULEPATH {${folder}}\n`,
  },
]

/** Every shell with every module system. */
export const SESSIONS = SYSTEMS.flatMap((system) => SHELLS.map((shell) => ({ system, shell })))

export class World implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'modules-'))
  readonly #system: System
  readonly #log = join(this.root, 'calls')

  /** Has the module `CBI`, which leads to `conda-stage`. The latter still has to be added. */
  constructor(system: System) {
    this.#system = system
    this.#write(`core/CBI${system.extension}`, system.addToModulePath(join(this.root, 'its own')))
  }

  addModule(version: string, text: string): void {
    this.#write(`its own/conda-stage/${version}${this.#system.extension}`, text)
  }

  /** Adds a module whose program prints its version and arguments and sets a variable in the session. Gives its folder. */
  addRecorder(version: string, name = `it's é "the"  {$version [${version}]; * #\\`): string {
    const folder = join(this.root, name, 'bin')
    const launcher = join(folder, 'conda-stage')
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      launcher,
      `#!/bin/sh
      echo called >> ${quoted(this.#log)}
      echo "${version} for $__CONDA_STAGE_SHELL:" "$@"
      code=CALLED=yes
      case $__CONDA_STAGE_SHELL in
        tcsh) printf '/bin/rm -r %s\\nset CALLED=yes\\n' "\${__CONDA_STAGE_CODE%/code}" > "$__CONDA_STAGE_CODE"; exit ;;
        fish) code='
set -g CALLED yes
#' ;;
      esac
      printf '#conda_stage_code%sconda_stage_code' "$code" >&"$__CONDA_STAGE_CODE"\n`,
    )
    chmodSync(launcher, 0o755)
    this.addModule(version, modulefile(this.#system.kind, launcher, version))
    return folder
  }

  /** How often such a program was called. */
  calls(): number {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').split('\n').length - 1 : 0
  }

  /** Code that starts the module system, to go in front of a script. */
  prelude({ dialect }: Shell): string {
    return `${dialect === 'tcsh' ? 'source' : '.'} ${quoted(join(this.#system.init, dialect))}\n`
  }

  run(shell: Shell, script: string, { prelude = this.prelude(shell), env = {} }: RunOptions = {}) {
    const file = join(this.root, 'script')
    writeFileSync(file, `${DUMP[shell.dialect]}\n${prelude}${script}\n`)
    const [program = '', ...args] = shell.argv
    const ended = spawnSync(program, [...args, file], {
      encoding: 'utf8',
      cwd: this.root,
      env: {
        PATH: '/usr/bin:/bin',
        HOME: this.root,
        LANG: 'C',
        TERM: 'xterm',
        MODULEPATH: join(this.root, 'core'),
        ...env,
      },
    })
    assert.equal(ended.error, undefined, `${shell.name} has to be installed`)
    return ended
  }

  /** Writes a script beside that of the session. Gives its path. */
  script(name: string, text: string): string {
    this.#write(name, text)
    return join(this.root, name)
  }

  /** The lines that `dump NAME` saw in the session, except those that module systems keep for themselves. */
  dump(name: string): string[] {
    const lines = readFileSync(join(this.root, name), 'utf8').split('\n')
    return lines.filter((line) => !BOOKKEEPING.test(line))
  }

  #write(path: string, text: string): void {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true })
  }
}

interface RunOptions {
  prelude?: string
  env?: Record<string, string>
}

const BOOKKEEPING =
  /^(export |declare -x |set -g |set -gx )?(_ModuleTable|_?_?LMOD_|LOADEDMODULES|_LMFILES_|__MODULES_|_mlstatus|__lmod|_=|LINENO|RANDOM|SRANDOM|SECONDS|EPOCH|BASH_|PIPESTATUS|pipestatus|PPID|TTYIDLE|'?[?!$*@]'?=|argv[= ]|status[= ]|CMD_DURATION )/

/** Writes all variables, exports, functions, aliases and options to a file. */
const DUMP = {
  bash: 'dump() { { ( set -o posix; set ); export -p; declare -f; declare -Fx; alias; shopt -p; set +o; } > "$1"; }',
  zsh: 'dump() { { set; export -p; functions; alias; setopt; } > "$1"; }',
  sh: 'dump() { { set; export -p; alias; command -V __conda_stage || :; set -o; } > "$1" 2>&1; }',
  fish: 'function dump; begin; set; functions -n -a; end > $argv[1]; end',
  tcsh: "alias dump '( set; setenv; alias ) > \\!:1'",
}
