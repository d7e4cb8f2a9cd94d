import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from '../../src/inventory/budget.ts'
import type { ListedName } from '../../src/model/listed.ts'

const MIB = 1024 * 1024
const file = (recordedSize?: number): ListedName => ({
  type: 'file',
  path: 'lib/file',
  ...(recordedSize !== undefined && { recordedSize }),
})

/** How many of the files are begun until there is no room for the next one. */
function begun(budget: Budget, name: ListedName, from = 0): number {
  let number = from
  while (number < 10_000 && budget.hasRoomFor(name)) budget.reserve(number++, name)
  return number - from
}

test('16 MiB of files are read ahead, and more as soon as the consumer is done with some', () => {
  const budget = new Budget()
  assert.equal(begun(budget, file(MIB)), 16)
  for (const number of [0, 1, 2]) budget.release(number)
  assert.equal(begun(budget, file(MIB), 16), 3)
})

test('a file in pieces takes no more of the memory for reading ahead than the pieces that are read at once', () => {
  assert.equal(begun(new Budget(), file(1000 * MIB)), 4)
})

test('files of unknown size count as large as those that were read so far', () => {
  const budget = new Budget()
  for (let number = 0; number < 1000; number++) {
    budget.reserve(number, file())
    budget.correct(number, MIB)
    budget.release(number)
  }
  const count = begun(budget, file(), 1000)
  assert.ok(count >= 15 && count <= 17, `${count} files`)
})
