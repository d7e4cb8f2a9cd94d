import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from '../../src/platform/pace.ts'

const wait = (ms: number) => () => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('a file system counts as slow after a run of slow calls, and not after one that was interrupted', () => {
  const pace = new Pace()
  pace.measure(wait(2))
  assert.ok(pace.isQuick)
  for (let call = 0; call < 8; call++) pace.measure(wait(1))
  assert.ok(!pace.isQuick)
})

test('quick calls make good of slow ones between them', () => {
  const pace = new Pace()
  for (let call = 0; call < 20; call++) {
    pace.measure(wait(1))
    // However busy the machine is, a call that may take a minute is quick.
    pace.measure(
      () => {},
      () => 60_000,
    )
    pace.measure(
      () => {},
      () => 60_000,
    )
  }
  assert.ok(pace.isQuick)
})

test('what the call gives or throws comes through', () => {
  const pace = new Pace()
  assert.equal(
    pace.measure(() => 7),
    7,
  )
  assert.throws(() => pace.measure(() => JSON.parse('{')), SyntaxError)
})
