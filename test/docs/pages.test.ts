/** Every command that a page shows at a prompt does what the page shows. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { Account } from './account.ts'
import { assertAsShown } from './compare.ts'
import { sessionsOf } from './document.ts'

const ROOT = join(import.meta.dirname, '../..')
/** work-with-conda.test.ts and test/release/release.test.ts run these. */
const OWN_TEST = ['docs/work-with-conda.md', 'docs/installing.md']
const PAGES = globSync('{README,docs/*}.md', { cwd: ROOT }).filter((page) => !OWN_TEST.includes(page))

const ACTIVE = 'conda activate myjupyter'

/** What is there when a page begins: shell code. The archive of `myjupyter` is there anyway. */
const BEFORE: Record<string, string> = {
  'README.md': `${ACTIVE}; rm "$ENVIRONMENT.tar.zst"`,
  'docs/administrators.md': 'mkdir -p "$ROOT/project/envs"; cp -a "$ENVIRONMENT" "$ROOT/project/envs/tools"',
  'docs/auto-staging.md': ACTIVE,
  'docs/configuration.md': 'mkdir -p ~/.config/conda-stage; echo "check: full" > ~/.config/conda-stage/config.yaml',
  'docs/evidence.md': `
    export HOME=$ROOT/beegfs/me CONDA_EXE=$ROOT/beegfs/me/miniconda3/bin/conda
    mkdir -p ~/miniconda3/bin ~/.local/share/jupyter/kernels/old
    : > "$CONDA_EXE"; chmod +x "$CONDA_EXE"
    python='"/scratch/me/conda-stage_x81TfkQ2hs/myjupyter/bin/python"'
    echo "{\\"argv\\": [$python]}" > ~/.local/share/jupyter/kernels/old/kernel.json`,
  'docs/images.md': ACTIVE,
  'docs/pixi.md': `
    cd "$ROOT/beegfs/me"; mkdir -p my-project/.pixi/envs
    cp -a "$ENVIRONMENT" my-project/.pixi/envs/default
    printf '[workspace]\\nname = "my-project"\\n' > my-project/pixi.toml
    # The stand-in opens shells in a terminal of their own.
    pixi() { eval "$("$PYTHON_STAND_IN" -B "$PIXI_STAND_IN" shell-hook)"; }`,
  'docs/recipes.md': `
    cp -a "$ENVIRONMENT" "$ROOT/beegfs/me/miniconda3/envs/mystats"; echo 'print("fitted")' > train.py
    mkdir nextflow; cp -a "$ENVIRONMENT" nextflow/env-0123456789abcdef
    mkdir -p "$ENVIRONMENT/share/jupyter/kernels/python3"
    echo '{"argv": ["'$ENVIRONMENT/bin/python'"], "display_name": "Python 3 (ipykernel)", "language": "python"}' > "$ENVIRONMENT/share/jupyter/kernels/python3/kernel.json"`,
  'docs/retire.md': 'mkdir "$ROOT/beegfs/me/envs"; cp -a "$ENVIRONMENT" "$ROOT/beegfs/me/envs/analysis"',
  'docs/sharing.md': `
    cp -a "$ENVIRONMENT" "$ROOT/beegfs/me/miniconda3/envs/mystats"
    conda activate myjupyter
    (conda-stage; echo >> ~/users; exec sleep 30) &
    (SLURM_JOB_ID=812345 bash -c 'until [ -e ~/users ]; do sleep 0.1; done; conda-stage --prefix="$ENVIRONMENT"; echo >> ~/users; exec sleep 30') &
    trap 'kill $(jobs -p)' EXIT
    until [ "$(wc -l < ~/users)" = 2 ]; do sleep 0.1; done`,
  'docs/usage.md': `
    mkdir -p "$ROOT/home/ann/envs" "$ROOT/project/lab" "$ROOT/beegfs/me/miniconda3/bin"
    cp -a "$ENVIRONMENT" "$ROOT/home/ann/envs/analysis"
    conda-stage --pack --prefix="$ROOT/home/ann/envs/analysis" --output="$ROOT/project/lab/analysis.tar.zst"
    rm -r "$ROOT/home/ann"
    export CONDA_EXE=$ROOT/beegfs/me/miniconda3/bin/conda
    : > "$CONDA_EXE"; chmod +x "$CONDA_EXE"`,
  'docs/virtual-environments.md': `
    mkdir -p "$ROOT/beegfs/sw/python" "$ROOT/beegfs/me/proj"
    cp -a "$ENVIRONMENT" "$ROOT/beegfs/sw/python/3.12"; rm -r "$ROOT/beegfs/sw/python/3.12/conda-meta"
    "$ROOT/beegfs/sw/python/3.12/bin/python" -m venv --without-pip "$ROOT/beegfs/me/proj/.venv"
    echo > "$ROOT/beegfs/me/proj/train.py"`,
}

/** Pages whose originals are on a file server, with the milliseconds of each request. */
const SERVED: Record<string, number> = { 'docs/evidence.md': 2, 'docs/virtual-environments.md': 0 }

/** Commands that are not run, with the reason. */
const NOT_RUN: Record<string, string> = {
  'snakemake --cores 8 --sdm conda': 'test/workflows runs Snakemake',
  'snakemake --executor slurm --jobs 100 --sdm conda \\': 'the same',
}

let account: Account
before(async () => {
  account = await Account.make()
})
after(() => account[Symbol.dispose]())

for (const page of PAGES.sort()) {
  const commands = sessionsOf(readFileSync(join(ROOT, page), 'utf8')).filter(({ text }) => !(text in NOT_RUN))
  if (commands.length === 0) continue
  const skip = page in SERVED ? (slowfsUnavailable() ?? false) : false
  test(`every session in ${page} happens as shown`, { skip }, async () => {
    const slow = page in SERVED ? await served(account, SERVED[page]!) : undefined
    try {
      assertAsShown(page, commands, account.run(commands, BEFORE[page] ?? ''))
    } finally {
      await slow?.unmount()
      account.clear()
    }
  })
}

test('every command that is named as not run is still on a page', () => {
  const shown = new Set(
    PAGES.flatMap((page) => sessionsOf(readFileSync(join(ROOT, page), 'utf8'))).map(({ text }) => text),
  )
  assert.deepEqual(
    Object.keys(NOT_RUN).filter((text) => !shown.has(text)),
    [],
  )
})

const served = ({ root }: Account, latencyMs: number) => mountSlow(`${root}/beegfs`, `${root}/beegfs`, { latencyMs })
