/** The recipe of docs/recipes.md for Snakemake, with Snakemake. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { before, test } from 'node:test'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { readyCache } from '../fixtures/cache.ts'
import { kept } from '../fixtures/kept.ts'
import { startSlurm } from '../jobs/slurm.ts'
import { CONDAS } from '../shells/world.ts'
import { WorkflowWorld } from './base.ts'

const WHEELS = ['snakemake==9.27.1', 'snakemake-executor-plugin-cluster-generic==1.0.9']

let python: string
let site: string
before(async () => {
  python = (await readyCache('small')).python
  site = await kept(WHEELS.join('-'), (folder) => {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--root-user-action=ignore']
    execFileSync(python, [...pip, `--target=${folder}`, ...WHEELS], { stdio: ['ignore', 'ignore', 'inherit'] })
  })
})

/** Runs a job for each of the files, in the environment. Returns what the files then say, and what was printed. */
function run(flow: WorkflowWorld, files: string[], options: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(
    python,
    ['-m', 'snakemake', '--software-deployment-method=conda', '--nolock', ...options, '--', ...files],
    {
      cwd: flow.world.root,
      env: { ...flow.env, PYTHONPATH: site, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    },
  )
  assert.equal(status, 0, stdout + stderr)
  return { places: files.map((file) => readFileSync(join(flow.world.root, file), 'utf8').trim()), printed: stderr }
}

const extractions = (text: string): number => text.split('INFO: Extracting ').length - 1

for (const conda of CONDAS) {
  const world = (...options: string[]): WorkflowWorld => {
    const flow = new WorkflowWorld(conda)
    flow.enable(...options)
    flow.world.write(
      'Snakefile',
      `rule place:\n  output: '{n}.txt'\n  conda: '${flow.prefix}'\n  shell: 'place > {output}'\n`,
    )
    return flow
  }

  test(`Snakemake's jobs run from one copy, and from the original where nothing can be staged (${conda} conda)`, () => {
    using flow = world('--keep=60')
    const { places, printed } = run(flow, ['1.txt', '2.txt', '3.txt', '4.txt'], ['--cores=2'])
    assert.match(places[0]!, new RegExp(`^${flow.local}/conda-stage_\\w+/my$`))
    assert.deepEqual(new Set(places).size, 1)
    assert.equal(extractions(printed), 1, printed)
    const nowhere = run(flow, ['5.txt'], ['--cores=1'], { CONDA_STAGE_PATH: '/proc/nowhere' })
    assert.deepEqual(nowhere.places, [flow.prefix])
    assert.match(nowhere.printed, /^WARNING: .*was not staged/m)
  })

  test(`Snakemake's --precommand makes the copy in a job of Slurm, and the next job finds it there (${conda} conda)`, async () => {
    using flow = world()
    const slurm = await startSlurm()
    try {
      const prefetch = `'${LAUNCHER}' --prefix='${flow.prefix}' --keep=60 --on-failure=continue > /dev/null`
      const submit = `sbatch --parsable --output=${flow.world.root}/%j.job`
      const cluster = ['--executor=cluster-generic', `--cluster-generic-submit-cmd=${submit}`]
      const options = [...cluster, '--jobs=1', '--seconds-between-status-checks=1', `--precommand=${prefetch}`]
      const env = { SLURM_CONF: slurm.config }
      const { places } = run(flow, ['1.txt', '2.txt'], options, env)
      assert.match(places[0]!, new RegExp(`^${flow.local}/conda-stage_\\w+/my$`))
      assert.equal(places[1], places[0])
      const logs = globSync(`${flow.world.root}/*.job`).map((file) => readFileSync(file, 'utf8'))
      assert.deepEqual(logs.map(extractions).sort(), [0, 1])
      // By the precommand, not by the activation that follows.
      for (const log of logs) assert.equal(extractions(log.slice(log.indexOf('Auto staging'))), 0, log)
      assert.deepEqual(flow.stages(), [dirname(places[0]!).slice(flow.local.length + 1)])
    } finally {
      await slurm.stop()
    }
  })
}
