import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DynamicString } from '../../src/model/relocation.ts'
import { refit } from '../../src/relocate/elf.ts'
import { relocate, scan } from './helpers.ts'

interface Layout {
  is64: boolean
  big: boolean
  /** Offset of .dynamic in the file; the string table follows it. */
  dynamicAt: number
  headersAt?: number
}

const ADDRESS = 0x10000
const STRINGS = '\0libc.so\0/a/env/lib:/x\0/a/env/share\0'

/** An ELF file that consists of two program headers, a dynamic section, and STRINGS as its string table. */
function elf({ is64, big, dynamicAt, headersAt = 128 }: Layout, entries: [tag: number, value: number][]): Buffer {
  const word = is64 ? 8 : 4
  const stringsAt = dynamicAt + 2 * word * (entries.length + 2)
  const data = Buffer.alloc(Math.max(stringsAt + STRINGS.length, headersAt + 2 * 56))
  const put = (at: number, value: number, size: number): void => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(value)
    const number = bytes.subarray(0, size)
    data.set(big ? number.reverse() : number, at)
  }
  data.write('\x7fELF', 'latin1')
  data.set([is64 ? 2 : 1, big ? 2 : 1], 4)
  put(is64 ? 32 : 28, headersAt, word)
  put(is64 ? 54 : 42, is64 ? 56 : 32, 2)
  put(is64 ? 56 : 44, 2, 2)
  const header = (index: number, type: number, offset: number, size: number): void => {
    const at = headersAt + index * (is64 ? 56 : 32)
    put(at, type, 4)
    for (const [field, value] of [offset, offset + ADDRESS, 0, size].entries())
      put(at + word * (field + 1), value, word)
  }
  header(0, 1, 0, data.length)
  header(1, 2, dynamicAt, stringsAt - dynamicAt)
  const all = [...entries, [5, stringsAt + ADDRESS]] as const
  for (const [index, [tag, value]] of all.entries()) {
    put(dynamicAt + 2 * word * index, tag, word)
    put(dynamicAt + 2 * word * index + word, value, word)
  }
  data.write(STRINGS, stringsAt, 'latin1')
  return data
}

for (const is64 of [true, false]) {
  for (const big of [false, true]) {
    for (const dynamicAt of [256, 40_000]) {
      const what = `${is64 ? 64 : 32} bits, ${big ? 'big' : 'little'}-endian, .dynamic at ${dynamicAt}`
      test(`An RPATH is found and refitted in ELF files of ${what}`, () => {
        const data = elf({ is64, big, dynamicAt }, [
          [1, 1],
          [29, 9],
        ])
        for (const chunks of [[1000], [300], [7, 50_000], [100_000]]) {
          const expected = [{ offset: data.indexOf('/a/env/lib'), text: '/a/env/lib:/x', list: true }]
          assert.deepEqual(scan(data, ['/a/env'], { chunks })?.dynamic, expected)
        }
        const after = relocate(data, ['/a/env'], '/b').toString('latin1')
        assert.equal(
          after,
          data.toString('latin1').replace('/a/env/lib:/x', '/b/lib:////////x').replace(':////////x', '://///x'),
        )
      })
    }
  }
}

test('A dynamic section in front of the program headers is read, too', () => {
  const data = elf({ is64: true, big: false, dynamicAt: 256, headersAt: 2000 }, [[29, 9]])
  assert.equal(scan(data, ['/a/env'], { chunks: [100] })?.dynamic?.length, 1)
})

test('A name that begins inside an RPATH is recorded with it', () => {
  const layout = { is64: true, big: false, dynamicAt: 256 }
  const data = elf(layout, [
    [29, 9],
    [14, 16],
  ])
  assert.equal(scan(data, ['/a/env'])?.dynamic?.[0]?.shared, data.indexOf('/a/env/lib') + 7)
})

test('A damaged ELF file causes no error', () => {
  const data = elf({ is64: true, big: false, dynamicAt: 256 }, [[29, 9]])
  for (let length = 4; length < 128; length += 5) {
    assert.equal(scan(Buffer.concat([data.subarray(0, length), Buffer.from('\0/a/env\0')]), ['/a/env'])?.kind, 'elf')
  }
  for (let at = 4; at < data.length; at += 3) {
    const broken = Buffer.from(data)
    broken[at] = 0xff
    assert.equal(relocate(broken, ['/a/env'], '/b').length, data.length)
  }
})

const string = (text: string, more: Partial<DynamicString> = {}): DynamicString => ({
  offset: 0,
  text,
  list: true,
  ...more,
})
const table: [what: string, text: string, folder: string, to: string, expected: string | undefined][] = [
  ['a prefix of the same length', '/a/env/lib', 'bin', '/b/new', '/b/new/lib'],
  ['a shorter prefix, filled up', '/a/env/lib:/x/y', 'bin', '/b', '/b/lib:/x/////y'],
  ['the prefix itself', '/a/env', 'bin', '/b', '/////b'],
  ['a longer prefix that nothing can hold', '/a/env/lib', 'bin', '/longer', undefined],
  ['a folder far from a file far below', '/a/env/folder/sub', 'folder/x', '/longer', '$ORIGIN/..////sub'],
  ["the file's own folder", '/a/env/lib', 'lib', '/longer', '$ORIGIN///'],
]
for (const [what, text, folder, to, expected] of table) {
  test(`An RPATH is refitted for ${what}`, () => {
    assert.equal(refit(string(text), { folder, from: ['/a/env'], to, count: 1 }), expected)
  })
}

test('An RPATH stays as it is if a prefix in it does not begin a folder', () => {
  assert.equal(refit(string('/a/env/lib:x=/a/env'), { folder: '', from: ['/a/env'], to: '/b', count: 2 }), undefined)
})

test('An RPATH stays as it is if the end that it shares with another name would change', () => {
  const options = { folder: '', from: ['/a/env'], to: '/b', count: 1 }
  assert.equal(refit(string('/a/env/lib', { shared: 7 }), options), '/b/////lib')
  assert.equal(refit(string('/a/env/lib', { shared: 5 }), options), undefined)
})
