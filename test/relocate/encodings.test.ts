import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Encoding } from '../../src/model/relocation.ts'
import { encodings, needlesOf } from '../../src/relocate/encodings.ts'

const table: [Encoding, string, string][] = [
  ['utf8', '/a/é', '/a/\xc3\xa9'],
  ['json-slash', '/a/é"', '\\/a\\/\xc3\xa9\\"'],
  ['json-ascii', '/a/é"\\ \u007f😀', '/a/\\u00e9\\"\\\\ \\u007f\\ud83d\\ude00'],
  ['percent', '/a/é b~c%+@', '/a/%C3%A9%20b~c%25%2B%40'],
  ['utf16le', '/é', '/\0\xe9\0'],
  ['utf16be', '/é', '\0/\0\xe9'],
  ['utf32le', '/😀', '/\0\0\0\0\xf6\x01\0'],
  ['utf32be', '/😀', '\0\0\0/\0\x01\xf6\0'],
]
for (const [encoding, prefix, expected] of table) {
  test(`A prefix in ${encoding} is spelled as programs write it`, () => {
    assert.equal(encodings[encoding](prefix).toString('latin1'), expected)
  })
}

test('No spelling of a plain prefix is searched for twice', () => {
  const found = needlesOf(['/a/env', '/a/env']).map(({ encoding, prefix }) => `${prefix} ${encoding}`)
  assert.deepEqual(found, ['0 utf8', '0 json-slash', '0 utf16le', '0 utf16be', '0 utf32le', '0 utf32be'])
})
