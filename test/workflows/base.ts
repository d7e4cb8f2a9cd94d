/** Sessions as workflow tools open them: by `bin/conda` and `bin/activate` of an installation of conda. */
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AutoWorld } from '../auto-stage/auto-world.ts'
import type { Conda } from '../shells/world.ts'

const STAND_IN = join(import.meta.dirname, '../shells/conda-stand-in')

/** What conda 26.9 answers, as far as Nextflow 23.10 and Snakemake 9.27 ask. */
const program = (base: string) => `#!/bin/sh
case "$*" in
  'info --json')
    printf '{\\n  "platform": "linux-64",\\n  "conda_version": "26.9.0",\\n  "root_prefix": "%s",\\n' '${base}'
    printf '  "conda_prefix": "%s",\\n  "active_prefix": null\\n}\\n' '${base}'
    ;;
  --version) echo 'conda 26.9.0' ;;
  'config --get channel_priority --json') echo '{ "get": { "channel_priority": "strict" } }' ;;
  'env export --prefix '*) printf 'name: %s\\ndependencies: []\\nprefix: %s\\n' "$4" "$4" ;;
  *) echo "The stand-in of conda does not know: $*" >&2; exit 1 ;;
esac
`

/** conda's own defines its function in `etc/profile.d/conda.sh`, and calls it. */
const activate = ({ conda, log }: AutoWorld['world']) => `
export CONDA_ROOT_STAND_IN='${conda}' CONDA_LOG_STAND_IN='${log}'
export CONDA_EXE_STAND_IN='${STAND_IN}.ts' NODE_STAND_IN='${process.execPath}'
. '${STAND_IN}.sh'
conda activate "$@"
`

/** In Nextflow's and Snakemake's own code, the path of the base has no quotes. */
export class WorkflowWorld extends AutoWorld {
  readonly env: Record<string, string>

  /** @param conda 'real': of CONDA_STAGE_TEST_CONDA, an installation with `bin/activate` */
  constructor(conda: Conda) {
    super({}, 'flow')
    this.program('my')
    this.program('other')
    let base = this.world.conda
    if (conda === 'real') base = dirname(dirname(process.env.CONDA_STAGE_TEST_CONDA!))
    else {
      this.world.write('conda/bin/conda', program(base))
      this.world.write('conda/bin/activate', activate(this.world))
      chmodSync(join(base, 'bin/conda'), 0o755)
    }
    this.env = {
      PATH: `${base}/bin:/usr/local/bin:/usr/bin:/bin`,
      HOME: this.world.root,
      LANG: 'C.UTF-8',
      CONDA_STAGE_PATH: this.local,
      CONDA_STAGE_SKIP_LOCAL: 'false',
    }
  }

  /** Enables automatic staging of `my`. Where to is left to variables. */
  enable(...options: string[]): void {
    const run = this.call(['--auto-stage=enable', `--prefix=${this.prefix}`, ...options])
    assert.equal(run.status, 0, run.stderr)
  }

  prefixOf(name: string): string {
    return join(this.world.conda, 'envs', name)
  }

  /** `place` prints from where it runs, `naps` sleeps. */
  private program(name: string): void {
    this.world.write(`conda/envs/${name}/bin/place`, `#!/bin/sh\necho '${this.prefixOf(name)}'\n`)
    chmodSync(join(this.prefixOf(name), 'bin/place'), 0o755)
    copyFileSync('/bin/sleep', join(this.prefixOf(name), 'bin/naps'))
  }
}
