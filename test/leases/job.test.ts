import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { isListed } from '../../src/leases/job.ts'
import { temporaryFolder } from '../cli/world.ts'

/** Puts a scheduler's program first on PATH. Returns how often it was asked. */
function stub(context: TestContext, program: string, code: string): () => number {
  const folder = temporaryFolder(context)
  writeFileSync(`${folder}/asked`, '')
  writeFileSync(`${folder}/${program}`, `#!/bin/sh\necho "$@" >> ${folder}/asked\n${code}\n`)
  chmodSync(`${folder}/${program}`, 0o755)
  const { PATH } = process.env
  process.env.PATH = `${folder}:${PATH}`
  context.after(() => {
    process.env.PATH = PATH
  })
  return () => readFileSync(`${folder}/asked`, 'utf8').split('\n').length - 1
}

const slurm = (id: string) => isListed({ variable: 'SLURM_JOB_ID', id })

test('a task of an array that has ended goes on no longer, although its number is that of the array, of which others run', async (context) => {
  stub(context, 'squeue', `printf '7 COMPLETED\\n8 RUNNING\\n9 PENDING\\n17 COMPLETING\\n'`)
  assert.deepEqual(await Promise.all(['7', '8', '9', '17', '1'].map(slurm)), [false, true, false, true, false])
})

test('a job that Slurm has forgotten has ended', async (context) => {
  stub(context, 'squeue', `echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1`)
  assert.equal(await slurm('7'), false)
})

test('PBS, LSF and Grid Engine are asked, too, because most nodes of a job run none of its processes for a while', async (context) => {
  // As Torque, PBS Pro, LSF and Grid Engine print it.
  const heading = `Job id            Name             User              Time Use S Queue\\n----------------  ---------------- ----------------  -------- - -----\\n`
  const row = (id: string, state: string): string =>
    `${id}          long.sh          me                00:00:01 ${state} workq           \\n`
  const answers: [variable: string, id: string, program: string, code: string, goesOn: boolean][] = [
    ['PBS_JOBID', '7.server', 'qstat', `printf '${heading}${row('7.server', 'R')}'`, true],
    [
      'PBS_JOBID',
      '7[2].server',
      'qstat',
      `[ "$*" = '7[2].server' ] && printf '${heading}${row('7[2].server', 'E')}'`,
      true,
    ],
    ['PBS_JOBID', '7.server', 'qstat', `printf '${heading}${row('7.server', 'C')}'`, false],
    ['PBS_JOBID', '7.server', 'qstat', `echo 'qstat: Unknown Job Id 7.server' >&2; exit 153`, false],
    ['PBS_JOBID', '7.server', 'qstat', `echo 'qstat: 7.server Job has finished, use -x' >&2; exit 35`, false],
    [
      'LSB_JOBID',
      '7',
      'bjobs',
      `echo '7       me    RUN   normal     login1      2*n1   long       Nov 27 12:00'`,
      true,
    ],
    [
      'LSB_JOBID',
      '7',
      'bjobs',
      `echo '7       me    DONE  normal     login1      2*n1   long       Nov 27 12:00'`,
      false,
    ],
    ['LSB_JOBID', '7', 'bjobs', `echo 'Job <7> is not found' >&2; exit 255`, false],
    ['JOB_ID', '7', 'qstat', `printf '==========\\njob_number:                 7\\n'`, true],
    ['JOB_ID', '7', 'qstat', `printf 'Following jobs do not exist: \\n7\\n'; exit 1`, false],
    ['NO_SUCH_JOB', '7', 'qstat', 'echo 7', false],
    ['PBS_JOBID', '--help', 'qstat', `printf '${row('7', 'R')}'`, false],
  ]
  for (const [variable, id, program, code, goesOn] of answers) {
    stub(context, program, code)
    assert.equal(await isListed({ variable, id }), goesOn, `${variable}=${id}: ${code}`)
  }
})

test('if Slurm does not answer, its jobs go on, and it is not asked for each of them', async (context) => {
  const asked = stub(context, 'squeue', `echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1`)
  assert.deepEqual([await slurm('7'), await slurm('8'), asked()], [true, true, 1])
})
