import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Encoding } from '../../src/model/relocation.ts'
import { encodings } from '../../src/relocate/encodings.ts'
import { generator, scan } from './helpers.ts'

const P = '/a/env'
const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')
const offsets = (text: string): number[] => scan(bytes(text), [P])?.occurrences.map(({ offset }) => offset) ?? []

// '@' marks the place of the prefix.
const ours = [
  '@',
  '@/bin',
  '"@"',
  "'@'",
  '@\n',
  '@ x',
  '@\t',
  '@:/usr/bin',
  '@;',
  '@,',
  '@)',
  '@>',
  '@]',
  '@}',
  '@|',
  '@&',
  '@#sha',
  '@*',
  '@?',
  '@$',
  '@`',
  '@.',
  '@. Then',
  '@...',
  '@\0',
  '@\\n',
  '@\\"',
  '@\\/bin',
  '@\\u002fbin',
  '@\\u0022',
  '@%s',
  '@\\',
  '@\\012',
  '@\\0',
  '-L@',
  '-isystem@/include',
  'file://@',
  'FOO=@',
  '/@',
  '//@',
  '-I/@',
  '"@',
  ' @',
  'PATH=/x:@',
  '+=@',
  '[@',
  '(@',
  '<@',
  '\\n@',
  '%20@',
  'see...@',
  'foo@',
  `/${'x'.repeat(400)}@`,
]
const others = [
  '@2',
  '@-old',
  '@_x',
  '@A',
  '@.bak',
  '@.2',
  '@..x',
  '@é',
  '@+',
  '@~',
  '@@',
  '@=',
  '@%20x',
  '@%C3',
  '@\\ old',
  '@\\u00e9',
  '@\\u0020x',
  '@\\xe9',
  '@\\303\\251',
  '@\\-old',
  '@\\\\u00e9',
  '@\\U0001f600',
  '@\\.bak',
  '/mnt@',
  '/mnt/@',
  '/x/y.z@',
  './@'.replace('/', ''),
  '..@',
  '../..@',
  '~@',
  '~me@',
  '$\x7bHOME}@',
  '$(HOME)@',
  '$HOME@',
  '$\x7bHOME}/@',
  'http://host@',
  '/m%20nt@',
  '/my\\ disk@',
  '/é@',
  '/n@/x',
]
for (const form of ours) {
  test(`The prefix is found in ${JSON.stringify(form.slice(0, 40))}`, () => {
    assert.deepEqual(offsets(form.replace('@', P)), [Buffer.from(form).indexOf('@')])
  })
}
for (const form of others) {
  test(`${JSON.stringify(form)} is another path, not the prefix`, () => {
    assert.deepEqual(offsets(form.replace('@', P)), [])
  })
}

test('The characters around a match are read in the encoding of the match', () => {
  for (const encoding of ['utf16le', 'utf16be', 'utf32le', 'utf32be'] as Encoding[]) {
    const spell = encodings[encoding]
    for (const text of ['x /a/env/y', 'x /a/env', '/a/env中', '/a/env丯', '/a/env2', '/mnt/a/env', '中/a/env/']) {
      const found = scan(spell(text), [P])?.occurrences ?? []
      const isOurs = /(?<![t])\/a\/env(\/|$)/.test(text)
      const offset = spell(text.slice(0, text.indexOf('/a/env'))).length
      const expected = isOurs ? [{ offset, prefix: 0, encoding }] : []
      assert.deepEqual(found, expected, `${encoding} ${text}`)
    }
  }
})

test('Every spelling is found, with the name of its encoding', () => {
  for (const encoding of Object.keys(encodings) as Encoding[]) {
    const prefix = PECULIAR[encoding] ?? '/a/é v'
    const spell = encodings[encoding]
    const data = Buffer.concat([spell('x '), spell(prefix), spell('/')])
    assert.deepEqual(scan(data, [prefix])?.occurrences[0]?.encoding, encoding)
  }
})

/** Prefixes with which an encoding is no other's. */
const PECULIAR: Partial<Record<Encoding, string>> = {
  utf8: '/a/env',
  'shell-word': '/a/R&D v',
  'zsh-word': '/a/b#c v',
  'make-shell-word': '/a/b$c&',
  'json-shell-word': '/a/R&D v',
  'shell-quoted': '/a/b$c v',
  'shell-single': "/a/b'c",
  'shell-single-double': "/a/b'c",
  'single-backslash': "/a/b c'",
  make: '/a/b$c v',
  dollars: '/a/b$c v',
  ninja: '/a/b c',
  xml: '/a/R&D',
  'xml-attribute': '/a/R&D"',
  'xml-quotes': "/a/R&D'",
  html: "/a/R&D'",
  'json-html': '/a/R&D',
  octal: '/a/b c',
  hex: '/a/b c',
  uri: '/a/R&D v',
  regex: '/a/b.c-d',
  'regex-slash': '/a/b.c',
  're-escape': '/a/b.c-d',
  quotemeta: '/a/b.c-d',
  'perl-quoted': '/a/b@c',
  'doubled-quote': "/a/b'c",
  'doubled-percent': '/a/b%c',
}

test('A prefix in a file URL is found as percent-encoded', () => {
  assert.equal(scan(bytes('file:///a/env/x'), [P])?.occurrences[0]?.encoding, 'percent')
})

test('If one prefix ends with the other, the longer match counts', () => {
  const found = scan(bytes('/home/me/env /mnt/data/home/me/env/x'), ['/home/me/env', '/mnt/data/home/me/env'])
  assert.deepEqual(
    found?.occurrences.map(({ offset, prefix }) => [offset, prefix]),
    [
      [0, 0],
      [13, 1],
    ],
  )
})

test('If one prefix begins with the other, the longer match counts, unless it is another path', () => {
  const found = scan(bytes('/a/env/sub/x /a/env/sub2 /a/env'), ['/a/env', '/a/env/sub'])
  assert.deepEqual(
    found?.occurrences.map(({ offset, prefix }) => [offset, prefix]),
    [
      [0, 1],
      [13, 0],
      [25, 0],
    ],
  )
})

const kinds: [kind: string, data: string, path?: string][] = [
  ['text', 'a /a/env'],
  ['binary', 'a\0/a/env'],
  ['binary', '!<arch>\n\0/a/env'],
  ['binary', '\xcf\xfa\xed\xfe\0/a/env'],
  ['binary', '\xff\xfe\0/a/env'],
  ['text', '\xff\xfe/\0a\0/\0e\0n\0v\0'],
  ['elf', '\x7fELF\x02\x01\0/a/env'],
  ['pyc', '\xa7\r\r\n\0\0\0\0/a/env', '__pycache__/x.pyc'],
  ['pyc-only', '\xa7\r\r\n\0\0\0\0/a/env', 'x.pyc'],
  ['pyc-only', '\xa7\x0d\r\n\x01\0\0\0/a/env', '__pycache__/x.pyc'],
  ['text', 'no bytecode /a/env', 'x.pyc'],
  ['container', 'PK\x03\x04\0/a/env'],
  ['container', '\x1f\x8b\x08/a/env'],
  ['container', 'SQLite format 3\0/a/env'],
  ['container', '\xfftOc\0/a/env'],
  ['container', '\x89HDF\r\n\x1a\n/a/env'],
  ['container', `${'\0'.repeat(257)}ustar\0/a/env`],
]
for (const [kind, data, path = 'x'] of kinds) {
  test(`${JSON.stringify(data.slice(-24))} in ${path} is of the kind ${kind}`, () => {
    assert.equal(scan(Buffer.from(data, 'latin1'), [P], { path })?.kind, kind)
  })
}

test('A NUL makes a file binary, however far behind the prefix it stands', () => {
  const data = Buffer.concat([bytes('/a/env/'), Buffer.alloc(300_000, 'x'), Buffer.from([0])])
  assert.equal(scan(data, [P], { chunks: [65536] })?.kind, 'binary')
})

const placeholder = { text: `/${'p'.repeat(19)}`, mode: 'binary' as const } // 14 bytes longer than the prefix

test('A managed C string has the room that the placeholder left, for all prefixes in it', () => {
  const data = bytes(`x\0/a/env/lib:/a/env/x\n\n\0${'\0'.repeat(28)}y`)
  const found = scan(data, [P], { placeholder })!.occurrences
  assert.deepEqual(
    found.map(({ end, room }) => [end, room]),
    [
      [23, 28],
      [23, 28],
    ],
  )
})

test('A C string has no room if fewer NULs follow than a placeholder leaves', () => {
  const found = scan(bytes(`/a/env\0${'\0'.repeat(13)}y`), [P], { placeholder })!.occurrences
  assert.deepEqual(found, [{ offset: 0, prefix: 0, encoding: 'utf8', end: 6 }])
})

test('A binary that conda does not manage has no room', () => {
  const data = bytes(`/a/env\0${'\0'.repeat(40)}y`)
  assert.equal(scan(data, [P])!.occurrences[0]!.room, undefined)
  assert.equal(scan(data, [P], { placeholder: { ...placeholder, mode: 'text' } })!.occurrences[0]!.room, undefined)
})

test('A string that is cut off by the end of the file has no end', () => {
  assert.equal(scan(bytes('\0/a/env'), [P], { placeholder })!.occurrences[0]!.end, undefined)
})

test('The size of the chunks never changes what is found', () => {
  const random = generator(7)
  const pieces = [
    '/a/env',
    '/mnt/a/env',
    '/a/env2',
    '\0',
    '\0'.repeat(20),
    'x'.repeat(3000),
    '/',
    ':',
    'é',
    '\xff\xfe',
    'z\x06',
  ]
    .map(bytes)
    .concat(Object.values(encodings).map((spell) => spell('/a/env/x')))
  for (let round = 0; round < 60; round++) {
    const magic = bytes(['', '\x7fELF', '#!/a/env/bin/sh\n'][random(3)]!)
    const data = Buffer.concat([magic, ...Array.from({ length: random(40) }, () => pieces[random(pieces.length)]!)])
    const from = ['/a/env', '/mnt/a/env']
    const whole = scan(data, from, { placeholder })
    for (const chunks of [[1], [1 + random(50), 1 + random(5000)], [4096], [1 + random(20000)]]) {
      assert.deepEqual(scan(data, from, { placeholder, chunks }), whole, `round ${round}, chunks of ${chunks}`)
    }
  }
})
