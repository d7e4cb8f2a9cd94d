import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEntries, decodeFrames } from '../../src/archive/index/decode.ts'
import { type Columns, encodeDigests, encodeEntries } from '../../src/archive/index/encode.ts'
import { Malformed } from '../../src/archive/read/malformed.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import { HEADER } from './support.ts'

/** Entries 0 to 6: the prefix, bin, bin/a, bin/b, bin/c, lib, lib64. */
function valid(): ArchiveIndex {
  const common = { mode: 0o755, mtimeNs: 1n }
  const file = { type: 'file', size: 10, frame: 0, digest: '00'.repeat(16), ...common } as const
  const occurrence = { offset: 0, prefix: 0, encoding: 'utf8' } as const
  return {
    ...HEADER,
    version: 1,
    format: 'tar.zst',
    entries: [
      { type: 'directory', path: '', ...common },
      { type: 'directory', path: 'bin', ...common },
      { ...file, path: 'bin/a', frameOffset: 0, relocation: { kind: 'text', occurrences: [occurrence] } },
      { ...file, path: 'bin/b', frameOffset: 95, package: 'demo-1-0', placeholder: { text: '/x', mode: 'binary' } },
      { type: 'hardlink', path: 'bin/c', target: 'bin/a', ...common },
      { type: 'directory', path: 'lib', ...common },
      { type: 'symlink', path: 'lib64', target: '/somewhere/else', ...common },
    ],
    frames: [
      { offset: 1000, compressedSize: 50, size: 100 },
      { offset: 1050, compressedSize: 50, size: 100 },
    ],
  }
}

function decode(forge: (columns: Columns) => void, digests = encodeDigests(valid())) {
  const columns = JSON.parse(encodeEntries(valid()).toString()) as Columns
  forge(columns)
  const frames = decodeFrames('tar.zst', columns, 1000, 1100)
  return decodeEntries(columns, digests, { frames, prefixes: HEADER.prefixes })
}

test('a valid index is accepted unchanged', () => {
  assert.deepEqual(
    decode(() => {}),
    valid().entries,
  )
})

/** What is forged, and the entry that the error names, if there is one. */
const FORGERIES: Record<string, [named: string, forge: (columns: Columns) => void]> = {
  'a name that leads out of the folder': ['..', (columns) => (columns.names = 'bin/a/b/c/lib/..')],
  'a name that is the folder itself': ['bin/.', (columns) => (columns.names = 'bin/./b/c/lib/lib64')],
  'an empty name, as in an absolute path': ['', (columns) => (columns.names = '/a/b/c/lib/lib64')],
  'a name of 256 bytes': ['bin/ccc', (columns) => (columns.names = `bin/a/b/${'c'.repeat(256)}/lib/lib64`)],
  'more names than entries': ['', (columns) => (columns.names = 'bin/a/b/c/lib/lib64/x')],
  'a name with a NUL': ['', (columns) => (columns.names = 'bin/a\0/b/c/lib/lib64')],
  'a name that is not made of bytes': ['', (columns) => (columns.names = 'bin/a\u0141/b/c/lib/lib64')],
  'the same path twice': ['bin/a is there twice', (columns) => (columns.names = 'bin/a/a/c/lib/lib64')],
  'entries out of order': ['bin/a', (columns) => (columns.names = 'bin/b/a/c/lib/lib64')],
  'an entry in a file': ['bin/a/b', (columns) => (columns.parents[2] = 2)],
  'an entry in a symbolic link': ['bin/a', (columns) => Object.assign(columns, { types: 'dlffhdd', targets: ['lib'] })],
  'an entry in a folder that comes later': ['a', (columns) => (columns.parents[1] = 5)],
  'an entry in no folder': ['bin', (columns) => (columns.parents[0] = -1)],
  'a prefix that is not a directory': ['', (columns) => (columns.types = 'fdffhdl')],
  'an entry of an unknown type': ['lib64', (columns) => (columns.types = 'ddffhdx')],
  'a hard link to a folder': ['bin/c', (columns) => (columns.links[0] = 1)],
  'a hard link to a symbolic link': ['bin/c', (columns) => (columns.links[0] = 6)],
  'a hard link to itself': ['bin/c', (columns) => (columns.links[0] = 4)],
  'a hard link to nothing': ['bin/c', (columns) => (columns.links[0] = 99)],
  'one hard link too many': ['', (columns) => columns.links.push(2)],
  'a symbolic link without a target': ['lib64', (columns) => (columns.targets[0] = '')],
  'a symbolic link with a NUL in its target': ['lib64', (columns) => (columns.targets[0] = 'a\0b')],
  'a symbolic link with a target of 4096 bytes': ['lib64', (columns) => (columns.targets[0] = 'x'.repeat(4096))],
  'a missing target': ['lib64', (columns) => columns.targets.pop()],
  'a mode beyond permissions': ['bin/b', (columns) => (columns.modes[3] = 0o10000)],
  'a negative mode': ['bin/b', (columns) => (columns.modes[3] = -1)],
  'a missing mode': ['', (columns) => columns.modes.pop()],
  'a second of more than 10^9 ns': ['bin/b', (columns) => (columns.nanos[3] = 1e9)],
  'a time in 300 million years': ['bin/b', (columns) => (columns.seconds[3] = 1e16 - 1)],
  'a file in a frame that does not exist': ['bin/a', (columns) => (columns.frames[0] = 2)],
  'a file that begins outside its frame': ['bin/a', (columns) => (columns.offsets[0] = 101)],
  'a file that ends behind the last frame': ['bin/b', (columns) => (columns.sizes[1] = 106)],
  'a file of 8 exabytes': ['bin/b', (columns) => (columns.sizes[1] = 2 ** 53 - 1)],
  'files that have more bytes together than the frames': ['bin/b', (columns) => (columns.sizes = [100, 101])],
  'a file of negative size': ['bin/b', (columns) => (columns.sizes[1] = -1)],
  'a file without a size': ['', (columns) => columns.sizes.pop()],
  'a package that does not exist': ['bin/b', (columns) => (columns.packageOf[1] = 1)],
  'a relocation of a file that does not exist': ['', (columns) => (columns.relocations[0]![0] = 2)],
  'two relocations of a file': ['', (columns) => columns.relocations.push(columns.relocations[0]!)],
  'frames that end before the index': ['', (columns) => (columns.compressedSizes[1] = 49)],
  'frames that overlap': ['', (columns) => (columns.compressedSizes[0] = 51)],
  'a frame larger than any': ['', (columns) => (columns.frameSizes[1] = 2 ** 40)],
  'a frame that takes more bytes than compression ever makes': ['', (columns) => (columns.frameSizes[1] = 1)],
  'a frame without a size': ['', (columns) => columns.frameSizes.pop()],
}

for (const [what, [named, forge]] of Object.entries(FORGERIES)) {
  test(`an index with ${what} is refused${named && ', by the name of the entry'}`, () => {
    assert.throws(
      () => decode(forge),
      (error) => error instanceof Malformed && error.message.includes(named),
    )
  })
}

test('an index with folders so deep that their paths together would take all memory is refused at the first of them', () => {
  const depth = 100_000
  const forged = (columns: Columns): void => {
    columns.types = 'd'.repeat(depth + 1)
    columns.names = Array(depth).fill('abc').join('/')
    columns.parents = Array.from({ length: depth }, (_, at) => at)
    for (const name of ['modes', 'seconds', 'nanos'] as const) columns[name] = Array(depth + 1).fill(0)
  }
  assert.throws(() => decode(forged), /has a path of 4099 bytes/)
})

/** The file bin/a has 10 bytes, and the prefix /envs/demo is as long. */
const LONG = '/real/envs/demo'
const good = { offset: 0, prefix: 0, encoding: 'utf8' }
const elf = { kind: 'elf', occurrences: [{ ...good, end: 10 }] }
const NONSENSE: Record<string, unknown> = {
  'an unknown kind': { kind: 'zip', occurrences: [good] },
  'a kind that is the name of a property of all objects': { kind: 'constructor', occurrences: [good] },
  'no occurrence but null': { kind: 'text', occurrences: [null] },
  'an occurrence without an offset': { kind: 'text', occurrences: [{ prefix: 0, encoding: 'utf8' }] },
  'an offset that is a text': { kind: 'text', occurrences: [{ ...good, offset: '0' }] },
  'an offset that is no whole number': { kind: 'text', occurrences: [{ ...good, offset: 0.5 }] },
  'a negative offset': { kind: 'text', occurrences: [{ ...good, offset: -1 }] },
  'an offset beyond what a double holds': { kind: 'text', occurrences: [{ ...good, offset: 2 ** 60 }] },
  'an offset behind the file': { kind: 'text', occurrences: [{ ...good, offset: 10 }] },
  'an occurrence that ends behind the file': { kind: 'text', occurrences: [{ ...good, offset: 1 }] },
  'a prefix that does not exist': { kind: 'text', occurrences: [{ ...good, prefix: 2 }] },
  'a negative prefix': { kind: 'text', occurrences: [{ ...good, prefix: -1 }] },
  'an unknown encoding': { kind: 'text', occurrences: [{ ...good, encoding: 'rot13' }] },
  'an encoding that is a property of all objects': { kind: 'text', occurrences: [{ ...good, encoding: 'toString' }] },
  'an encoding that is an object': { kind: 'text', occurrences: [{ ...good, encoding: {} }] },
  'the same occurrence twice': { kind: 'text', occurrences: [good, good] },
  'occurrences of which one is null in later encodings': { kind: 'text', occurrences: [good], escaped: [null] },
  'occurrences that overlap in later encodings': {
    kind: 'text',
    occurrences: [good],
    escaped: [{ ...good, encoding: 'xml' }],
  },
  'a string that ends behind the file': { kind: 'elf', occurrences: [{ ...good, end: 11 }] },
  'a string that ends within its prefix': { kind: 'elf', occurrences: [{ ...good, end: 9 }] },
  'a string with more room than the file has': { kind: 'binary', occurrences: [{ ...good, end: 10, room: 1 }] },
  'a string with negative room': { kind: 'binary', occurrences: [{ ...good, end: 10, room: -1 }] },
  'a counted string that begins behind its first byte': {
    kind: 'pyc-only',
    occurrences: [{ ...good, end: 10, counted: 1 }],
  },
  'a head behind the file': { kind: 'text', occurrences: [good], head: 11 },
  'a head that ends within a prefix': { kind: 'text', occurrences: [good], head: 5 },
  'a head that is a text': { kind: 'text', occurrences: [good], head: 'x' },
  'a path that leads out behind the file': { kind: 'text', occurrences: [], outward: [{ offset: 9, length: 2 }] },
  'a path that leads out and has no bytes': { kind: 'text', occurrences: [], outward: [{ offset: 9, length: 0 }] },
  'paths that lead out and are no list': { kind: 'text', occurrences: [], outward: { length: 1 } },
  'dynamic strings that are no list': { ...elf, dynamic: 'x' },
  'a dynamic string that is null': { ...elf, dynamic: [null] },
  'a dynamic string with a NUL': { ...elf, dynamic: [{ offset: 0, text: 'a\0b', list: true }] },
  'a dynamic string that is a number': { ...elf, dynamic: [{ offset: 0, text: 5, list: true }] },
  'a dynamic string that is shared before it begins': {
    ...elf,
    dynamic: [{ offset: 0, text: LONG, list: true, shared: -1 }],
  },
  'a negative number of sealed places': { kind: 'text', occurrences: [good], sealed: -1 },
  'a flag that is a number': { kind: 'text', occurrences: [good], fixed: 1 },
}

for (const [what, relocation] of Object.entries(NONSENSE)) {
  test(`an index with a relocation with ${what} is refused, by the name of the file`, () => {
    assert.throws(
      () => decode((columns) => (columns.relocations = [[0, relocation as never]])),
      (error) => error instanceof Malformed && /^its entry bin\/a has relocations /.test(error.message),
    )
  })
}

test('an index with too few digests is refused', () => {
  assert.throws(() => decode(() => {}, Buffer.alloc(16)), Malformed)
})
