import assert from 'node:assert/strict'
import { test } from 'node:test'
import { relocateText, scan } from './helpers.ts'

const P = '/a/env'
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const kindOf = (text: string, path = 'x') => scan(bytes(text), [P], { path })?.kind

const counted: [what: string, data: string][] = [
  ['bencode', 'd4:path10:/a/env/libe'],
  ['a netstring', '10:/a/env/lib,'],
  ['a netstring with text before the prefix', '12:-L/a/env/lib,3:abc,'],
  ['a list of netstrings', '3:abc,6:/a/env,10:/a/env/lib,'],
  ['PHP', 'a:1:{s:4:"path";s:10:"/a/env/lib";}'],
  ['an S-expression', '(4:path10:/a/env/lib)'],
  ['Redis', '*1\r\n$10\r\n/a/env/lib\r\n'],
  ['R', 'A\n2\n262153\n10\n/a/env/lib\n'],
  ['Subversion', 'K 4\npath\nV 10\n/a/env/lib\nEND\n'],
  ['fast-import of git', 'commit refs/heads/main\ndata 10\n/a/env/lib\n'],
  ['memcached', 'set key 0 0 10\r\n/a/env/lib\r\n'],
  ['HTTP', 'a\r\n/a/env/lib\r\n0\r\n'],
  ['IMAP', 'A LOGIN {10}\r\n/a/env/lib\r\n'],
  ['Boost', '22 serialization::archive 19 10 /a/env/lib 0'],
  ['packets of git', '000e/a/env/lib0000'],
  ['Protocol Buffers with letters for counts', `:F/a/env/${'x'.repeat(63)}`],
  ['an answer of HTTP', 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n/a/env/lib\n'],
  ['Fortran', 'CALL F(10H/a/env/lib)'],
  ['MessagePack', '\x81\xa4path\xaa/a/env/lib'],
  ['CBOR', '\xa1dpathj/a/env/lib'],
  ['Protocol Buffers', '\x12\x0a/a/env/lib'],
  ['a pickle', '\x80\x02U\x0a/a/env/libq\x01.'],
  ['an archive of ar', '!<arch>\nn/              0           0     0     644     10        `\n/a/env/lib'],
  ['a PDF, which holds byte offsets', '%PDF-1.4\n/F (/a/env/lib)\nstartxref\n9\n%%EOF\n'],
]
for (const [what, data] of counted) {
  test(`Counted strings are data, not text: ${what} stays whole when the length changes`, () => {
    assert.equal(kindOf(data), 'binary')
    for (const to of ['/b', '/much/longer']) assert.equal(relocateText(data, P, to), data)
    assert.equal(relocateText(data, P, '/b/new'), data.replaceAll(P, '/b/new'))
  })
}

const texts: [what: string, data: string][] = [
  ['a log with line numbers', 'file.c:10:/a/env/lib/x.h: error\nfile.c:11:/a/env/lib/y.h: error\n'],
  ['a list of sizes and paths', '4096 /a/env/lib\n120 /a/env/bin/python\n'],
  ['escape codes of a terminal', '\x1b[1m/a/env/lib\x1b[0m\n'],
  ['form feeds and tabs', '\f\t/a/env/lib\n'],
  ['UTF-8', 'Größe = /a/env/lib # ß\n'].map((text) => Buffer.from(text).toString('latin1')) as [string, string],
  ['Latin-1 on other lines', '# Jos\xe9\npath = /a/env/lib\n'],
  ['a script with control characters', "#!/bin/sh\nprintf '\x01\x02' /a/env\n"],
  ['a number on a line before', '2024\n/a/env/lib\n'],
  ['a number that ends the line before', 'released in 2024\n/a/env/lib\nversion 2\n/a/env/bin\n'],
]
for (const [what, data] of texts) {
  test(`${what} is text: its prefix is replaced at any length`, () => {
    assert.equal(relocateText(data, P, '/much/longer'), data.replaceAll(P, '/much/longer'))
  })
}

test("What conda's record calls a text is one, even with a NUL or counts in it: conda itself replaced the prefix so", () => {
  const placeholder = { text: '/p', mode: 'text' as const }
  for (const data of ['x\0/a/env', '10:/a/env/lib,', '\x01/a/env'])
    assert.equal(relocateText(data, P, '/longer/path', { placeholder }), data.replace(P, '/longer/path'))
})

test('The size of the chunks never changes what is taken for data', () => {
  for (const [, data] of [...counted, ...texts])
    for (const chunks of [[1], [3], [7, 2]])
      assert.deepEqual(scan(bytes(data), [P], { chunks }), scan(bytes(data), [P]))
})
