import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRelocation, storedRelocation } from '../../src/archive/index/relocations.ts'
import type { Relocation } from '../../src/model/relocation.ts'

test('occurrences in encodings that the first programs do not know stand apart in the index, and come back in order', () => {
  const relocation: Relocation = {
    kind: 'text',
    occurrences: [
      { offset: 1, prefix: 0, encoding: 'xml' },
      { offset: 20, prefix: 0, encoding: 'utf8' },
      { offset: 40, prefix: 1, encoding: 'shell-word' },
      { offset: 60, prefix: 0, encoding: 'json-ascii' },
    ],
    head: 10,
  }
  const stored = storedRelocation(relocation)
  assert.deepEqual(
    stored.occurrences.map(({ offset }) => offset),
    [20, 60],
  )
  assert.deepEqual(readRelocation(JSON.parse(JSON.stringify(stored))), relocation)
})

test('a relocation in the first encodings alone is stored as it is', () => {
  const relocation: Relocation = { kind: 'text', occurrences: [{ offset: 1, prefix: 0, encoding: 'utf16le' }] }
  assert.deepEqual(storedRelocation(relocation), relocation)
  assert.deepEqual(readRelocation(relocation), relocation)
})
