import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changedFolders, settleTime } from '../../src/inventory/settle.ts'
import type { Listed } from '../../src/model/listed.ts'

const HOUR_MS = 3_600_000
const ns = (ms: number, beyond = 1n): bigint => BigInt(ms) * 1_000_000n + beyond

test('a file that was changed just now is read after its clock tick, or its whole second, has passed', () => {
  const now = 1_800_000_000_500
  assert.equal(settleTime(ns(now - 5000), now), 0)
  assert.equal(settleTime(ns(now - 25), now), 0)
  assert.equal(settleTime(ns(now - 5), now), 15)
  assert.equal(settleTime(ns(now - 500, 0n), now), 500)
})

test('a server whose clock is up to an hour ahead delays reading by one tick, and a date set far in the future does not', () => {
  const now = 1_800_000_000_500
  assert.equal(settleTime(ns(now + 300), now), 20)
  assert.equal(settleTime(ns(now + HOUR_MS), now), 20)
  assert.equal(settleTime(ns(now + 24 * HOUR_MS), now), 0)
})

test('a folder that changes while the environment is read is found, if the clock of its server is an hour off', () => {
  const began = 1_800_000_000_500
  const folder = (path: string, changed: number): Listed => ({
    type: 'directory',
    path,
    mode: 0o755,
    mtimeNs: ns(changed),
  })
  const changed = (off: number) =>
    changedFolders([folder('now', began + 5 + off), folder('yesterday', began - 24 * HOUR_MS + off)], began)
  for (const off of [-HOUR_MS, 0, HOUR_MS]) assert.deepEqual([...changed(off)], ['now'])
})
