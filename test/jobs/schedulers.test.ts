import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { LAUNCHER, startCommand, succeed, world } from '../cli/world.ts'
import { configure } from '../config/place.ts'

/** What each scheduler sets in its jobs. FOLDER is the job's own. */
const JOBS: Record<string, Record<string, string>> = {
  'Slurm, where the site sets SLURM_TMPDIR': { SLURM_JOB_ID: '7', SLURM_TMPDIR: 'FOLDER', TMPDIR: '/tmp' },
  'Slurm, where TMPDIR is private to the job': { SLURM_JOB_ID: '7', TMPDIR: 'FOLDER' },
  'PBS with a jobfs': { PBS_JOBID: '7.server', PBS_JOBFS: 'FOLDER', TMPDIR: '/tmp' },
  PBS: { PBS_JOBID: '7[1].server', PBS_ENVIRONMENT: 'PBS_BATCH', TMPDIR: 'FOLDER' },
  'Grid Engine': { JOB_ID: '7', SGE_ROOT: '/opt/sge', SGE_TASK_ID: 'undefined', TMPDIR: 'FOLDER', TMP: 'FOLDER' },
  LSF: { LSB_JOBID: '7', LSB_JOBINDEX: '0', TMPDIR: 'FOLDER' },
  'LSF with a folder of its own': { LSB_JOBID: '7', LSF_JOB_TMPDIR: 'FOLDER', TMPDIR: '/tmp' },
}

test("in a job the copy goes to the job's own local folder, which the scheduler empties: Slurm, PBS, Grid Engine, LSF", async (context) => {
  const place = await world(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const stages = Object.entries(JOBS).map(async ([scheduler, variables], at) => {
    const folder = `${place.root}/job${at}`
    mkdirSync(folder, { mode: 0o700 })
    const env = Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [name, value.replace('FOLDER', folder)]),
    )
    const { stdout } = await succeed(place, [`--prefix=${place.prefix}`, '--no-skip-local'], { env })
    assert.equal(dirname(dirname(stdout)), folder, scheduler)
    assert.ok(existsSync(`${stdout.trimEnd()}/bin/greet`))
  })
  await Promise.all(stages)
})

test('a local folder that the site configures for jobs comes before the one that the scheduler made', async (context) => {
  const place = await world(context)
  for (const folder of ['nvme/7', 'tmp/7']) mkdirSync(`${place.root}/${folder}`, { recursive: true })
  const env = { SLURM_JOB_ID: '7', SLURM_TMPDIR: `${place.root}/tmp/7` }
  const args = [`--prefix=${place.prefix}`, '--no-skip-local']
  configure(place, `local-folders:\n  - ${place.root}/nvme/{job}\n`)
  assert.equal(dirname(dirname((await succeed(place, args, { env })).stdout)), `${place.root}/nvme/7`)
})

test('a trap with --unstage removes the copy however the script ends, and keeps the exit status', async (context) => {
  const place = await world(context)
  const script = (end: string) => `eval "$('${LAUNCHER}' --source=bash)"
    export CONDA_PREFIX='${place.prefix}' PATH='${place.prefix}/bin':$PATH
    conda-stage
    trap 'conda-stage --unstage' EXIT
    greet --prefix
    ${end}`
  const env = { LSB_JOBID: '7', TMPDIR: place.local, CONDA_STAGE_SKIP_LOCAL: 'false' }
  for (const [end, expected] of [
    ['exit 6', 6],
    ['set -e; false', 1],
    ['true', 0],
  ] as const) {
    const { status, stdout, stderr } = await startCommand(place, ['bash', '-c', script(end)], { env }).ended
    assert.equal(status, expected, stderr)
    assert.ok(stdout.startsWith(`${place.local}/conda-stage_`), stderr)
    assert.deepEqual(readdirSync(place.local), [])
  }
})
