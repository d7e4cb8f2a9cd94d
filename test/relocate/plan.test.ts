import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Encoding } from '../../src/model/relocation.ts'
import { applyToWhole } from '../../src/relocate/apply.ts'
import { encodings, escapings } from '../../src/relocate/encodings.ts'
import { planRelocation } from '../../src/relocate/plan.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { planFor, relocate, relocateText } from './helpers.ts'

const ELF = '\x7fELF'
const PYC = '\xa7\r\r\n\0\0\0\0'
const placeholder = { text: `/${'p'.repeat(19)}`, mode: 'binary' as const } // 14 bytes longer than /a/env
const nuls = (count: number): string => '\0'.repeat(count)

const sameLength: [what: string, before: string, after: string, path?: string][] = [
  ['text', 'x=/a/env:/a/env/bin:/a/env2', 'x=/b/new:/b/new/bin:/a/env2'],
  ['an unmanaged binary', '\x01\0/a/env/lib\0x', '\x01\0/b/new/lib\0x'],
  ['an ELF file', `${ELF}\0/a/env/lib:/a/env\n\0x`, `${ELF}\0/b/new/lib:/b/new\n\0x`],
  ['a binary that ends with it', '\0/a/env', '\0/b/new'],
  ['byte code', `${PYC}z\x06/a/envr`, `${PYC}z\x06/b/newr`, 'x.pyc'],
]
for (const [what, before, after, path = 'x'] of sameLength) {
  test(`A prefix of the same length overwrites the old one in ${what}`, () => {
    assert.equal(relocateText(before, '/a/env', '/b/new', { path }), after)
    assert.equal(planFor(Buffer.from(before, 'latin1'), ['/a/env'], '/b/new', { path }).sameLength, true)
  })
}

const otherLength: [what: string, before: string, to: string, after: string, path?: string][] = [
  ['Text takes a longer prefix', 'x=/a/env:/a/env/', '/much/longer', 'x=/much/longer:/much/longer/'],
  ['Text takes a shorter prefix', 'x=/a/env:/a/env/', '/b', 'x=/b:/b/'],
  ['Escaped JSON stays escaped', '"\\/a\\/env\\/x"', '/tmp/new', '"\\/tmp\\/new\\/x"'],
  ['A file URL is escaped as one', '/a/env file:///a/env/x', '/t m', '/t m file:///t%20m/x'],
  ['An unmanaged binary stays as it is', `\0/a/env\0${nuls(40)}`, '/b', `\0/a/env\0${nuls(40)}`],
  ['An ELF string that is no RPATH stays as it is', `${ELF}\0/a/env\0${nuls(40)}`, '/b', `${ELF}\0/a/env\0${nuls(40)}`],
  ['Byte code stays as it is', `${PYC}z\x06/a/env`, '/b', `${PYC}z\x06/a/env`, 'x.pyc'],
]
for (const [what, before, to, after, path = 'x'] of otherLength) {
  test(`${what} when the length changes`, () => {
    assert.equal(relocateText(before, '/a/env', to, { path }), after)
  })
}

const managed: [what: string, before: string, to: string, after: string][] = [
  ['shrinks and is padded', `\0/a/env/x\0${nuls(14)}y`, '/b', `\0/b/x\0${nuls(18)}y`],
  ['grows to the last byte of its room', `\0/a/env/x\0${nuls(14)}y`, placeholder.text, `\0${placeholder.text}/x\0y`],
  ['grows no further', `\0/a/env/x\0${nuls(14)}y`, `${placeholder.text}p`, `\0/a/env/x\0${nuls(14)}y`],
  [
    'with several prefixes is replaced in all places',
    `\0/a/env:/a/env\n\0${nuls(28)}y`,
    '/a/envi',
    `\0/a/envi:/a/envi\n\0${nuls(26)}y`,
  ],
  ['stays as it is if conda did not pad it', `\0/a/env/x\0${nuls(13)}y`, '/b', `\0/a/env/x\0${nuls(13)}y`],
]
for (const [what, before, to, after] of managed) {
  test(`A managed C string ${what}`, () => {
    assert.equal(relocateText(before, '/a/env', to, { placeholder }), after)
  })
}

test('Containers stay as they are at any length, and their prefixes are listed as left', () => {
  const data = Buffer.from('PK\x03\x04 /a/env /a/env', 'latin1')
  const plan = planFor(data, ['/a/env'], '/b/new')
  assert.deepEqual([plan.edits.length, plan.left.length], [0, 2])
})

test('A C string with two prefixes stays as it is if only one of them fits', () => {
  const data = Buffer.from('\0/a/env:/mnt/a/env\0/a/env\0')
  const plan = planFor(data, ['/a/env', '/mnt/a/env'], '/b/new')
  assert.deepEqual(
    plan.left.map(({ offset }) => offset),
    [1, 8],
  )
  assert.equal(relocate(data, ['/a/env', '/mnt/a/env'], '/b/new').toString(), '\0/a/env:/mnt/a/env\0/b/new\0')
})

test('Each spelling in a text is relocated in the same spelling, at any length', () => {
  for (const encoding of Object.keys(encodings) as Encoding[]) {
    const spell = encodings[encoding]
    const marks: Partial<Record<Encoding, string>> = {
      utf16le: '\ufeff',
      utf16be: '\ufeff',
      utf32le: '\ufeff',
      utf32be: '\ufeff',
    }
    const text = (prefix: string): Buffer =>
      Buffer.concat([spell(marks[encoding] ?? ''), spell('x '), spell(prefix), spell('/y')])
    const from = encoding in escapings ? `/a/x.y-$'%"& v` : '/a/é v'
    const to = encoding in escapings ? `/tmp/ü.-$$'%"& w` : '/tmp/ü "w"'
    assert.deepEqual(relocate(text(from), [from], to), text(to), encoding)
  }
})

const rest = '\nimport os /a/env\n'
const long = (length: number): string => `/${'l'.repeat(length - 1)}`
const shebangs: [what: string, before: string, to: string, after: string][] = [
  ['of 127 bytes stays one', '#!/a/env/bin/python', long(114), `#!${long(114)}/bin/python`],
  [
    'of 128 bytes becomes a polyglot',
    '#!/a/env/bin/python',
    long(115),
    `#!/bin/sh\n\f#/ 2>/dev/null || exec "${long(115)}/bin/python" "$0" "$@"`,
  ],
  [
    'keeps its options',
    '#!/a/env/bin/python3.11 -E -s',
    '/b c',
    `#!/bin/sh\n\f#/ 2>/dev/null || exec "/b c/bin/python3.11" -E -s "$0" "$@"`,
  ],
  ['keeps its options in place', '#! /a/env/bin/python -I', '/b', '#! /b/bin/python -I'],
  [
    'is quoted for sh',
    '#!/a/env/bin/python',
    '/b $c"`d',
    `#!/bin/sh\n\f#/ 2>/dev/null || exec "/b "'$'"c"'"\`'"d/bin/python" "$0" "$@"`,
  ],
  [
    'of Perl lets sh start Perl',
    '#!/a/env/bin/perl -w',
    '/b c',
    '#!/bin/sh\nexec "/b c/bin/perl" -w -x "$0" "$@"\n#!perl',
  ],
  ['of R is found by env', '#!/a/env/bin/Rscript', '/b c', '#!/usr/bin/env Rscript'],
  [
    'of R with options is found by env -S',
    '#!/a/env/bin/Rscript --vanilla',
    '/b c',
    '#!/usr/bin/env -S Rscript --vanilla',
  ],
  ['of Python in a folder with a line break is found by env', '#!/a/env/bin/python', '/b\nc', '#!/usr/bin/env python'],
  ['of another prefix stays', '#!/usr/bin/python -c/a/env', '/b c', '#!/usr/bin/python -c/b c'],
  [
    'that is a polyglot gets quotes',
    `#!/bin/sh\n'''exec' /a/env/bin/python "$0" "$@"\n' '''`,
    '/b c',
    `#!/bin/sh\n'''exec' "/b c/bin/python" "$0" "$@"\n' '''`,
  ],
  [
    'that is a quoted polyglot keeps its quotes',
    `#!/bin/sh\n'''exec' "/a/env/bin/python" -s "$0" "$@"\n' '''`,
    '/b c',
    `#!/bin/sh\n'''exec' "/b c/bin/python" -s "$0" "$@"\n' '''`,
  ],
  [
    'that is a polyglot takes a plain prefix plainly',
    `#!/bin/sh\n'''exec' /a/env/bin/python "$0" "$@"\n' '''`,
    '/bb',
    `#!/bin/sh\n'''exec' /bb/bin/python "$0" "$@"\n' '''`,
  ],
]
for (const [what, before, to, after] of shebangs) {
  test(`A shebang ${what}`, () => {
    assert.equal(relocateText(before + rest, '/a/env', to), after + rest.replace('/a/env', to))
    assert.equal(relocateText(before, '/a/env', to), after, 'without a line behind it')
  })
}

test('A shebang whose prefix keeps its length stays one line, even if it was too long before', () => {
  const before = `#!${long(130)}/bin/python\n`
  assert.equal(relocateText(before, long(130), `/x${'l'.repeat(128)}`), before.replace('/l', '/x'))
})

test('A prefix with a blank makes a polyglot, even at the same length', () => {
  assert.match(
    relocateText('#!/a/env/bin/python\n', '/a/env', '/a env'),
    /^#!\/bin\/sh\n\f#\/ 2>\/dev\/null \|\| exec "\/a env\/bin\/python"/,
  )
})

test('A C string that ends in the middle of another spelling is never edited twice: the first of the two is, and the other one stays', () => {
  const prefixes = ['/envs/my demo', '/real/envs/my demo']
  // The NUL behind the slash ends the string, and belongs to the slash of the next spelling.
  const data = Buffer.concat([
    Buffer.from('\x01\0/real/envs/my demo'),
    Buffer.from('/envs/my demo', 'utf16le'),
    Buffer.alloc(300),
  ])
  const scanner = new PrefixScanner(prefixes, {
    path: 'lib/x.so',
    size: data.length,
    placeholder: { text: `/${'p'.repeat(17)}`, mode: 'binary' },
  })
  scanner.push(data)
  const relocation = scanner.finish()!
  assert.equal(relocation.occurrences.length, 2)
  for (const to of ['/tmp/xy/demo1', '/t', `/tmp/${'x'.repeat(13)}`]) {
    const plan = planRelocation(relocation, { path: 'lib/x.so' }, prefixes, to)
    assert.equal(plan.left.length, 1, to)
    const relocated = applyToWhole(data, plan)
    assert.equal(relocated.length, data.length)
    let until = 0
    for (const { offset, length } of plan.edits) {
      assert.ok(offset >= until)
      until = offset + length
    }
  }
})

test('A head of which the index says that it starts an interpreter, but which does not, only has its prefix replaced', () => {
  const data = Buffer.from('\x7fELF /a/env rest')
  const relocation = { kind: 'text', head: 11, occurrences: [{ offset: 5, prefix: 0, encoding: 'utf8' }] } as const
  const to = `/${'b'.repeat(200)}`
  const plan = planRelocation(
    { ...relocation, occurrences: [...relocation.occurrences] },
    { path: 'x' },
    ['/a/env'],
    to,
  )
  assert.equal(applyToWhole(data, plan).toString(), `\x7fELF ${to} rest`)
})
