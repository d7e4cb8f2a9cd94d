import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LAUNCHER, succeed, type World } from '../cli/world.ts'
import { type Slurm, startSlurm } from './slurm.ts'
import { asUser } from './user.ts'

let slurm: Slurm
before(async () => {
  slurm = await startSlurm()
})
after(() => slurm.stop())

const submit = ({ root, env }: World, script: string, ...options: string[]) =>
  slurm.submit({ script, options: [`--output=${root}/out/%a.txt`, ...options], env })

const outputs = ({ root }: World): string[] =>
  readdirSync(`${root}/out`).map((name) => readFileSync(`${root}/out/${name}`, 'utf8'))

test('a Slurm job script whose only new line is conda-stage runs from local disk and keeps its exit code', (context) =>
  asUser(context, async (place) => {
    const script = `#!/bin/bash -l
set -euo pipefail
conda activate myjupyter
conda-stage
command -v greet
greet --prefix
echo "job $SLURM_JOB_ID"
exit 7
`
    assert.equal(await submit(place, script), 7)
    const [output] = outputs(place) as [string]
    const job = /^job (\d+)$/m.exec(output)?.[1]
    const staged = `${slurm.jobFolders}/${job}/conda-stage_\\w+/myjupyter`
    assert.match(output, new RegExp(`^INFO: Activating staged conda environment: ${staged}\n`, 'm'), output)
    assert.match(output, new RegExp(`^${staged}/bin/greet\n${staged}\njob ${job}\n$`, 'm'), output)
  }))

test('8 tasks of a Slurm array that start together on one node all run from local disk, and only one of them packs', (context) =>
  asUser(context, async (place) => {
    const script = `#!/bin/bash -l
set -euo pipefail
conda activate myjupyter
touch ~/begun-$SLURM_JOB_ID
until [[ $(ls ~ | grep -c begun) == 8 ]]; do sleep 0.1; done
conda-stage
echo "$SLURM_JOB_ID runs from $(greet --prefix)"
exit $SLURM_ARRAY_TASK_ID
`
    assert.equal(await submit(place, script, '--array=1-8'), 8)
    const all = outputs(place)
    const jobs = all.map((output) => {
      const [, job, from] = /^(\d+) runs from (.*)$/m.exec(output) ?? assert.fail(output)
      assert.ok(from!.startsWith(`${slurm.jobFolders}/${job}/conda-stage_`), output)
      return job
    })
    assert.equal(new Set(jobs).size, 8)
    assert.equal(all.filter((output) => /100% Completed/.test(output)).length, 1, all.join('\n'))
  }))

test('with automatic staging a Slurm job script needs no new line, and its copy leaves the node however the job ends', (context) =>
  asUser(context, async (place) => {
    await succeed(place, ['--auto-stage=enable', `--prefix=${place.prefix}`, `--path=${place.local}`])
    const ends = { 'exit 7': 7, 'set -e; false': 1, "trap 'echo mine' EXIT; exit 3": 3, 'kill -TERM $$; sleep 9': 143 }
    for (const [end, status] of Object.entries(ends)) {
      assert.equal(await submit(place, `#!/bin/bash -l\nconda activate myjupyter\ngreet --prefix\n${end}\n`), status)
      const [output] = outputs(place) as [string]
      assert.match(output, new RegExp(`^${place.local}/conda-stage_\\w+/myjupyter$`, 'm'), output)
      assert.equal(/^mine$/m.test(output), end.includes('mine'))
      for (let waited = 0; readdirSync(place.local).length > 0; waited += 100) {
        assert.ok(waited < 30_000, `${end}: ${readdirSync(place.local)}`)
        await pause(100)
      }
    }
  }))

test("a Slurm job that can't be staged fails under set -e, and otherwise continues with the original", (context) =>
  asUser(context, async (place) => {
    const script = (options: string) => `#!/bin/bash -l
${options}
conda activate myjupyter
conda-stage --path=/proc
greet --prefix
exit 5
`
    assert.equal(await submit(place, script('set -e')), 1)
    const [failed] = outputs(place) as [string]
    assert.match(failed, /^ERROR: \/proc /m)
    assert.doesNotMatch(failed, new RegExp(`^${place.prefix}$`, 'm'))
    assert.equal(await submit(place, script('')), 5)
    assert.match((outputs(place) as [string])[0], new RegExp(`^${place.prefix}$`, 'm'))
  }))

test('with on-failure: continue, a Slurm job under set -euo pipefail runs from the original if it can not be staged', (context) =>
  asUser(context, async (place) => {
    const script = (lines: string) => `#!/bin/bash -l\nset -euo pipefail\n${lines}\ngreet --prefix\nexit 5\n`
    const byName = `"$(conda-stage --prefix='${place.prefix}' --path=/proc --on-failure=continue)"/bin/greet --prefix`
    await succeed(place, ['--auto-stage=enable', `--prefix=${place.prefix}`, '--path=/proc'])
    for (const lines of [
      'conda activate myjupyter',
      'conda activate myjupyter\nconda-stage --path=/proc --on-failure=continue',
      `${byName}; PATH='${place.prefix}/bin':$PATH`,
    ]) {
      assert.equal(await submit(place, script(lines)), 5)
      const [output] = outputs(place) as [string]
      assert.match(output, new RegExp(`^${place.prefix}$`, 'm'))
      assert.match(output, /^WARNING: .* was not staged: /m)
      assert.doesNotMatch(output, /ERROR/)
    }
  }))

test('--exec works in srun, in a job script under set -e, and each task has its exit status', (context) =>
  asUser(context, async (place) => {
    const script = `#!/bin/bash -l
set -euo pipefail
conda activate myjupyter
conda-stage --keep=5 --exec -- sh -c 'echo "step 0 $(greet --prefix) $(cat $CONDA_PREFIX/conda-meta/frozen | wc -l)"'
srun --ntasks=2 --overlap "$CONDA_STAGE_PROGRAM" --exec=strict -- sh -c '
  echo "task $SLURM_PROCID $(cat $CONDA_PREFIX/conda-meta/frozen | wc -l)"; exit $((SLURM_PROCID * 6))'
`
    const env = { ...place.env, CONDA_STAGE_PROGRAM: LAUNCHER }
    assert.equal(await submit({ ...place, env }, script, '--ntasks=2'), 6)
    const [output] = outputs(place) as [string]
    assert.match(output, new RegExp(`^step 0 ${place.prefix} 1$`, 'm'), output)
    for (const task of [0, 1]) assert.match(output, new RegExp(`^task ${task} 1$`, 'm'), output)
    // The first one's copy has served all.
    assert.equal(output.match(/Extracting/g)?.length, 1, output)
  }))
