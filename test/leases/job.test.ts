import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { isListed } from '../../src/leases/job.ts'
import { temporaryFolder } from '../cli/world.ts'

/** Puts a squeue first on PATH. Returns how often it was asked. */
function stubSqueue(context: TestContext, code: string): () => number {
  const folder = temporaryFolder(context)
  writeFileSync(`${folder}/asked`, '')
  writeFileSync(`${folder}/squeue`, `#!/bin/sh\necho "$@" >> ${folder}/asked\n${code}\n`)
  chmodSync(`${folder}/squeue`, 0o755)
  const { PATH } = process.env
  process.env.PATH = `${folder}:${PATH}`
  context.after(() => {
    process.env.PATH = PATH
  })
  return () => readFileSync(`${folder}/asked`, 'utf8').split('\n').length - 1
}

const slurm = (id: string) => isListed({ variable: 'SLURM_JOB_ID', id })

test('a task of an array that has ended goes on no longer, although its number is that of the array, of which others run', async (context) => {
  stubSqueue(context, `printf '7 COMPLETED\\n8 RUNNING\\n9 PENDING\\n17 COMPLETING\\n'`)
  assert.deepEqual(await Promise.all(['7', '8', '9', '17', '1'].map(slurm)), [false, true, false, true, false])
})

test('a job that Slurm has forgotten has ended', async (context) => {
  stubSqueue(context, `echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1`)
  assert.equal(await slurm('7'), false)
})

test('nobody but Slurm is asked', async (context) => {
  const asked = stubSqueue(context, 'echo 7 RUNNING')
  assert.deepEqual([await isListed({ variable: 'PBS_JOBID', id: '7' }), asked()], [false, 0])
})

test('if Slurm does not answer, its jobs go on, and it is not asked for each of them', async (context) => {
  const asked = stubSqueue(context, `echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1`)
  assert.deepEqual([await slurm('7'), await slurm('8'), asked()], [true, true, 1])
})
