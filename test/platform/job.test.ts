import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expandFolder, jobId } from '../../src/platform/job.ts'

test('a job is recognised by its number, whichever scheduler runs it', () => {
  assert.equal(jobId({ SLURM_JOB_ID: '7' }), '7')
  assert.equal(jobId({ PBS_JOBID: '7.server' }), '7.server')
  assert.equal(jobId({ LSB_JOBID: '7' }), '7')
  assert.equal(jobId({ JOB_ID: '7', SGE_ROOT: '/sge' }), '7')
  assert.equal(jobId({ JOB_ID: '7' }), undefined, "any program's variable")
  assert.equal(jobId({ SLURM_JOB_ID: '' }), undefined)
})

test('{user}, {job} and ~ in a folder are replaced with their values in this session', () => {
  const env = { USER: 'me', HOME: '/home/me', PBS_JOBID: '7[3].server' }
  assert.deepEqual(expandFolder('/scratch/{user}/{job}/{user}', env), { path: '/scratch/me/7[3].server/me' })
  assert.deepEqual(expandFolder('~/a~/{x}', env), { path: '/home/me/a~/{x}' })
  assert.deepEqual(expandFolder('~', env), { path: '/home/me' })
  assert.deepEqual(expandFolder('/{user}', { LOGNAME: 'you' }), { path: '/you' })
  assert.deepEqual(expandFolder('/a/$&{user}', env), { path: '/a/$&me' })
})

test('a folder is not used if {user} or {job} has no value, or one that would lead elsewhere', () => {
  const missing = (template: string, env: Record<string, string>) => 'missing' in expandFolder(template, env)
  assert.ok(missing('/nvme/{job}', { USER: 'me' }))
  assert.ok(missing('/scratch/{user}', {}))
  for (const USER of ['..', '.', 'a/b', '../root']) assert.ok(missing('/scratch/{user}', { USER }), USER)
})
