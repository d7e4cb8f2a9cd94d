import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdsPrefix, replacePrefix } from './spellings.ts'

const holds = (text: string | Buffer) => holdsPrefix(Buffer.from(text as string), '/a/env')

test("the tests' own scan finds every spelling of the prefix, and no neighbour's", () => {
  for (const text of ['#!/a/env/bin/sh', '-L/a/env/lib', '/a/env', '/x:/a/env:', '{"p":"\\/a\\/env"}'])
    assert.ok(holds(text), text)
  assert.ok(holds(Buffer.from('"/a/env/lib', 'utf16le')))
  for (const text of ['/a/env2/bin', '/a/env-old', '/a/env.bak', './a/env/lib', '/a/en']) assert.ok(!holds(text), text)
})

test("the tests' own replacement of a prefix covers every spelling and no neighbour's", () => {
  const text = '/a/env/bin \\/a\\/env\\/x /a/env2'
  const copy = replacePrefix(Buffer.from(text), '/a/env', '/b/env')
  assert.equal(copy.toString(), '/b/env/bin \\/b\\/env\\/x /b/env2')
})
