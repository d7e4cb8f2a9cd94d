/**
 * Lets disks run full at random moments. CONDA_STAGE_TEST_DISKS sets how many times, CONDA_STAGE_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { installed } from '../fixtures/installed.ts'
import { NEEDS_ROOT } from '../platform/other-users.ts'
import { hasQuotas } from './disks/disk.ts'

const TRIALS = Number(process.env.CONDA_STAGE_TEST_DISKS) || 24
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const execute = promisify(execFile)

test(`a disk that runs full at any of ${TRIALS} random moments costs what goes there and nothing else (seed ${SEED})`, {
  skip: NEEDS_ROOT,
}, async (context) => {
  const launcher = await installed()
  const run = async (worker: number) => {
    const trials = join(import.meta.dirname, 'disks/trials.ts')
    const node = [process.execPath, trials, launcher, String(Math.ceil(TRIALS / 2)), String(SEED + worker)]
    const { stdout } = await execute('unshare', ['-m', '--propagation=private', ...node], { maxBuffer: 2 ** 28 })
    return stdout.trim().split('\n')
  }
  const lines = (await Promise.all([run(0), run(1)])).flat().map((line): unknown => JSON.parse(line))
  const counts = Map.groupBy(lines, (line) => (typeof line === 'string' ? line : 'wrong'))
  context.diagnostic([...counts].map(([outcome, { length }]) => `${outcome}: ${length}`).join(', '))
  if (!hasQuotas()) context.diagnostic('no disk with quotas: this kernel has no btrfs')
  assert.deepEqual(counts.get('wrong') ?? [], [])
})
