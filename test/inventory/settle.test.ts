import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settleTime } from '../../src/inventory/settle.ts'

const ns = (ms: number, beyond = 1n): bigint => BigInt(ms) * 1_000_000n + beyond

test('a file that was changed just now is read after its clock tick, or its whole second, has passed', () => {
  const now = 1_800_000_000_500
  assert.equal(settleTime(ns(now - 5000), now), 0)
  assert.equal(settleTime(ns(now - 25), now), 0)
  assert.equal(settleTime(ns(now - 5), now), 15)
  assert.equal(settleTime(ns(now - 500, 0n), now), 500)
})

test('a server whose clock is ahead delays reading by one tick, and a date set far in the future does not', () => {
  const now = 1_800_000_000_500
  assert.equal(settleTime(ns(now + 300), now), 20)
  assert.equal(settleTime(ns(now + 3_600_000), now), 0)
})
