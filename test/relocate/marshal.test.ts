import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stringAround } from '../../src/relocate/marshal.ts'
import { scan } from './helpers.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const found = (text: string): { start: number; end: number } | undefined => {
  const start = text.indexOf('/a/env')
  return stringAround(bytes(text), start, start + 6)
}

const table: [what: string, data: string, expected: { start: number; end: number } | undefined][] = [
  ['a short count', 'z\x06/a/envr', { start: 2, end: 8 }],
  ['a short count of what may be referred to', '\xda\x06/a/env\xe9', { start: 2, end: 8 }],
  ['a long count', 's\x06\0\0\0/a/envN', { start: 5, end: 11 }],
  ['text before the prefix', 'z\x08-L/a/envr', { start: 2, end: 10 }],
  ['a count that is a letter', `za/a/env${'x'.repeat(91)}r`, { start: 2, end: 99 }],
  ['a count that ends before the prefix does', 'z\x05/a/envr', undefined],
  ['no object behind the string', 'z\x06/a/env!', undefined],
  [
    'letters that only look like a count, in a string that ends with it',
    `a\x08\0\0\0zA/a/env${'N'.repeat(80)}`,
    { start: 5, end: 13 },
  ],
]
for (const [what, data, expected] of table) {
  test(`The search for a counted string handles ${what}`, () => {
    assert.deepEqual(found(data), expected)
  })
}

test('Only in byte code can a letter behind the prefix be the next object', () => {
  const data = bytes('\xa7\r\r\n\0\0\0\0z\x06/a/envr')
  assert.equal(scan(data, ['/a/env'], { path: 'x.pyc' })?.occurrences.length, 1)
  assert.equal(scan(data, ['/a/env'], { path: 'x.bin' }), undefined)
})

test('The path of another environment in byte code never changes', () => {
  for (const string of ['z\x07/a/env2', 'z\x08/a/env-x', 'z\x0a/mnt/a/env']) {
    assert.equal(scan(bytes(`\xa7\r\r\n\0\0\0\0${string}N`), ['/a/env'], { path: 'x.pyc' }), undefined, string)
  }
})
