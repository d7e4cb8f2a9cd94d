import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstStageSeconds, laterStageSeconds, paybackOf, startSeconds, USUAL_START } from '../../src/model/cost.ts'

const REAL = { entries: 31_000, files: 27_863, bytes: 563e6 }
const SITE = { lookUp: 0.002, bandwidth: 200e6, cores: 2 }

test('the time of a stage is within a quarter of what was measured with the bench on two cores', () => {
  // docs/performance.md: first stage 6.26 s, second stage 1.37 s; 10 ms: 10.8 s with the server on the same cores.
  const near = (model: number, measured: number) => assert.ok(Math.abs(model / measured - 1) < 0.25, `${model}`)
  near(firstStageSeconds(REAL, SITE), 6.26)
  near(laterStageSeconds(REAL, SITE), 1.37)
})

test('what takes longest decides how long a first stage takes: look-ups, bytes, CPUs, or the thread that orders', () => {
  const usual = firstStageSeconds(REAL, SITE)
  assert.equal(firstStageSeconds(REAL, { ...SITE, lookUp: 0.004 }), usual)
  assert.ok(firstStageSeconds(REAL, { ...SITE, lookUp: 0.05 }) > 3 * usual)
  assert.ok(firstStageSeconds(REAL, { ...SITE, bandwidth: 20e6 }) > 3 * usual)
  assert.ok(firstStageSeconds(REAL, { ...SITE, cores: 1 }) > 1.5 * usual)
  const many = firstStageSeconds(REAL, { ...SITE, bandwidth: 1e9, cores: 64 })
  assert.ok(many < usual && many === firstStageSeconds(REAL, { ...SITE, bandwidth: 1e9, cores: 128 }))
})

test('a start from the original takes as long as it did in the bench, within a fifth', () => {
  // `npm run bench -- starts`, 2 ms and 200 MB/s: 6.12 s.
  assert.ok(Math.abs(startSeconds(USUAL_START, SITE) / 6.12 - 1) < 0.2)
})

const payback = (lookUpMs: number, made = 1.4, amount = REAL) =>
  paybackOf(amount, { ...SITE, lookUp: lookUpMs / 1000 }, made)

test('a stage pays if ten usual starts earn it back', () => {
  const { gainSeconds, pays } = payback(0.03)
  assert.deepEqual([Math.round(gainSeconds * 100), pays], [7, false])
  assert.ok(payback(0.06).pays && payback(2).pays)
  assert.ok(!payback(0).pays && payback(0, 0).pays)
  const small = payback(2, 1, { entries: 50, files: 40, bytes: 1e5 })
  assert.equal(small.gainSeconds, 0.16, 'two requests for each of 40 files')
})

test('a stage that packs need not be earned back, but a later one that does not', () => {
  assert.equal(payback(0.06, 100).pays, true)
  assert.equal(payback(0.06, 100).stageSeconds, 100)
  assert.equal(payback(0.03, 100).pays, false)
})
