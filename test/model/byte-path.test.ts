import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytePathOf, bytesOf, displayPath } from '../../src/model/byte-path.ts'

test('a path that is UTF-8 is shown as it is, and any other one with its bytes that are not', () => {
  assert.equal(displayPath('bin/python'), 'bin/python')
  assert.equal(displayPath(bytePathOf('café/日本/🐍')), 'café/日本/🐍')
  assert.equal(displayPath('caf\xe9/\xff\xfe.py'), 'caf\\xe9/\\xff\\xfe.py')
  // Cut characters, overlong forms and surrogates are no UTF-8.
  assert.equal(displayPath('\xe2\x82/\xc0\xaf/\xed\xa0\x80'), '\\xe2\\x82/\\xc0\\xaf/\\xed\\xa0\\x80')
})

test('any bytes are shown without a replacement character, so that two names never look the same for that', () => {
  const names = fc.uint8Array({ min: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  fc.assert(
    fc.property(names, (name) => {
      const text = displayPath(name)
      const bytes = bytesOf(name)
      if (isUtf8(bytes)) assert.equal(text, bytes.toString('utf8'))
      else assert.match(text, /\\x[89a-f][0-9a-f]/)
      assert.equal(text.includes('\ufffd'), bytes.includes('\ufffd'))
    }),
    { numRuns: 2000 },
  )
})
