import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from '../../src/platform/pace.ts'

const wait = (ms: number) => () => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('a file system counts as slow after a run of slow calls, but not after a single one', () => {
  const pace = new Pace()
  pace.measure(wait(2))
  assert.ok(pace.isQuick)
  for (let call = 0; call < 8; call++) pace.measure(wait(1))
  assert.ok(!pace.isQuick)
})

test('a file system that is mostly quick does not count as slow', () => {
  const pace = new Pace()
  for (let call = 0; call < 20; call++) {
    pace.measure(wait(1))
    // A call that may take a minute is quick, however busy the machine is.
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

test('measuring a call changes neither its result nor its error', () => {
  const pace = new Pace()
  assert.equal(
    pace.measure(() => 7),
    7,
  )
  assert.throws(() => pace.measure(() => JSON.parse('{')), SyntaxError)
})
