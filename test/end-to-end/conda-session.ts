/** Sessions in every shell whose conda is a function that calls CONDA_EXE, as real conda's do; the installation is a stand-in. */
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { active, type TestShell } from '../shells/cases.ts'
import { quoted as q, type Run } from '../shells/world.ts'
import { Session } from './manual-session.ts'

/**
 * conda's functions, as far as they find the program. The one for fish keeps CONDA_EXE from when it was defined. For csh it is an
 * alias that sources a file of the installation, which sets CONDA_EXE each time.
 */
const FUNCTIONS = {
  posix: `conda() { eval "$(PS1="\${PS1-}" "$CONDA_EXE" shell.posix "$@")"; }`,
  fish: 'function conda --inherit-variable CONDA_EXE\neval ($CONDA_EXE shell.fish $argv)\nend',
}

/**
 * What stands in BASE/bin/conda. It notes from where it runs, which is what conda has in sys.prefix; and it takes for the base what
 * conda would: `root_prefix` of its configuration, or else from where it runs.
 */
const program = (log: string) => `#!/bin/sh
from=\${0%/*/*}
echo "$from" >> ${q(log)}
root=$(sed -n 's/^root_prefix: "\\(.*\\)"$/\\1/p' "$from/condarc.d/conda-stage.yml" 2> /dev/null)
LANGUAGE_STAND_IN=\${1#shell.}
export LANGUAGE_STAND_IN CONDA_RUNS_FROM_STAND_IN="$from" CONDA_ROOT_STAND_IN="\${root:-$from}"
shift
exec "$NODE_STAND_IN" "$CONDA_EXE_STAND_IN" "$@"
`

const CSH = 'etc/profile.d/conda.csh'
const cshFile = (base: string) => `setenv CONDA_EXE ${base}/bin/conda
setenv _CONDA_EXE ${base}/bin/conda
set ask_conda="\`'\${_CONDA_EXE}' shell.csh \${argv:q}\`"
eval "\${ask_conda}"
`

export class CondaSession extends Session {
  /** The base installation. */
  readonly base: string
  readonly #calls: string

  constructor(shell: TestShell, parts: ConstructorParameters<typeof Session>[1] = {}) {
    super(shell, parts)
    this.base = this.world.conda
    this.#calls = join(this.world.root, 'calls')
    for (const path of ['bin/conda', 'condabin/conda']) {
      this.world.write(`conda/${path}`, program(this.#calls))
      chmodSync(join(this.base, path), 0o755)
    }
    this.world.write('conda/bin/python', '')
    this.world.write(`conda/${CSH}`, cshFile(this.base))
    this.world.write('conda/conda-meta/history', '')
  }

  /** The variables of a session in which conda is loaded and `my` is active, or nothing is. */
  variables({ isActive = true } = {}): Record<string, string> {
    const path = `${this.base}/condabin:/usr/bin:/bin`
    return {
      ...(isActive ? active(this.prefix, path) : { CONDA_SHLVL: '0', PATH: path }),
      CONDA_EXE: `${this.base}/bin/conda`,
      _CONDA_EXE: `${this.base}/bin/conda`,
      CONDA_PYTHON_EXE: `${this.base}/bin/python`,
      _CONDA_ROOT: this.base,
    }
  }

  /** Runs a script with conda's function, in which `with-conda` stages the base, too. */
  conda(script: string, env = this.variables()): Run {
    const { dialect } = this.shell
    const { posix, fish } = FUNCTIONS
    const load = { bash: posix, zsh: posix, sh: posix, fish, tcsh: `alias conda source ${this.base}/${CSH}` }[dialect]
    const staging = 'stage --with-conda --no-skip-local'
    return this.script(`${load}\n${script.replaceAll(/(?<![-\w])with-conda\b/g, staging)}`, env)
  }

  /** From where each call of conda has run. */
  calls(): string[] {
    return existsSync(this.#calls) ? readFileSync(this.#calls, 'utf8').split('\n').filter(Boolean) : []
  }

  isCopyOfBase(path: string | undefined, below = ''): boolean {
    return path?.startsWith(`${this.local}/conda-stage_`) === true && path.endsWith(`/conda${below}`)
  }
}
