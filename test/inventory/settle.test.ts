import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settleTime } from '../../src/inventory/settle.ts'

const ns = (ms: number, beyond = 1n): bigint => BigInt(ms) * 1_000_000n + beyond

test('a file changed just now is read when its clock tick, or its whole second, is over', () => {
  const now = 1_800_000_000_500
  assert.equal(settleTime(ns(now - 5000), now), 0)
  assert.equal(settleTime(ns(now - 25), now), 0)
  assert.equal(settleTime(ns(now - 5), now), 15)
  assert.equal(settleTime(ns(now - 500, 0n), now), 500)
})

test('a server whose clock is ahead costs one tick more, a date set in the future nothing', () => {
  const now = 1_800_000_000_500
  assert.equal(settleTime(ns(now + 300), now), 20)
  assert.equal(settleTime(ns(now + 3_600_000), now), 0)
})
