import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localCandidates } from '../../src/platform/local-candidates.ts'

const paths = (env: Record<string, string>, top: string[] = []) => localCandidates(env, top).map(({ path }) => path)

test("outside a job the cluster's usual places come before the temporary folders", () => {
  assert.deepEqual(paths({ USER: 'me', TMPDIR: '/var/tmp/' }, ['usr', 'localscratch', 'local', 'home']), [
    '/scratch/me',
    '/local/me',
    '/local',
    '/localscratch/me',
    '/localscratch',
    '/var/tmp',
    '/tmp',
  ])
})

test("inside a job the scheduler's own folder comes first, whichever scheduler it is", () => {
  const first = (env: Record<string, string>) => paths({ USER: 'me', ...env })[0]
  assert.equal(first({ SLURM_JOB_ID: '7', SLURM_TMPDIR: '/nvme/7' }), '/nvme/7')
  assert.equal(first({ SLURM_JOB_ID: '7' }), '/lscratch/7')
  assert.equal(first({ PBS_JOBID: '7', PBS_JOBFS: '/jobfs/7', TMPDIR: '/t' }), '/jobfs/7')
  assert.equal(first({ PBS_JOBID: '7', TMPDIR: '/var/tmp/pbs.7' }), '/var/tmp/pbs.7')
  assert.equal(first({ LSB_JOBID: '7', TMPDIR: '/lsf/7' }), '/lsf/7')
  assert.equal(first({ JOB_ID: '7', SGE_ROOT: '/sge', TMPDIR: '/tmp/7.q' }), '/tmp/7.q')
  // JOB_ID alone may belong to any program: TMPDIR keeps its later place.
  assert.equal(first({ JOB_ID: '7', TMPDIR: '/t' }), '/scratch/me')
})

test('no folder is tried twice, no relative folder is tried, and a missing user name adds no folder', () => {
  assert.deepEqual(paths({ TMPDIR: '/tmp/' }, ['local']), ['/local', '/tmp'])
  assert.deepEqual(paths({ TMPDIR: 'relative', USER: '' }), ['/tmp'])
})
