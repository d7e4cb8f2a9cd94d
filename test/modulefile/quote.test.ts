import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { quoteLua, quoteTcl } from '../../src/modulefile/quote.ts'

const NASTY = [
  '',
  `it's "the" $check [exit] {out`,
  'unbalanced } and \\} and \\\\',
  'a line\\\nand another\n\ttab\r\n',
  ']] ]=] -- # ; * ? ~ ! %d %s \\n \\065',
  'Ünïcödé 日本',
  '\x01\x7f 1',
]

test('Lua reads a quoted string as the original text', () => {
  for (const text of NASTY) {
    assert.equal(execFileSync('lua5.3', ['-e', `io.write(${quoteLua(text)})`], { encoding: 'utf8' }), text)
  }
})

test('Tcl reads a quoted word as the original text, also in a body between braces', () => {
  for (const text of NASTY) {
    const input = `fconfigure stdout -translation lf\nproc body {} {\n  puts -nonewline ${quoteTcl(text)}\n}\nbody\n`
    assert.equal(execFileSync('tclsh', { input, encoding: 'utf8', env: { LANG: 'C.UTF-8' } }), text)
  }
})
