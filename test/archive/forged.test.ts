import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEntries, decodeFrames, Inconsistent } from '../../src/archive/index/decode.ts'
import { type Columns, encodeDigests, encodeEntries } from '../../src/archive/index/encode.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import { HEADER } from './support.ts'

/** Entries 0 to 6: the prefix, bin, bin/a, bin/b, bin/c, lib, lib64. */
function valid(): ArchiveIndex {
  const common = { mode: 0o755, mtimeNs: 1n }
  const file = { type: 'file', size: 10, frame: 0, digest: '00'.repeat(16), ...common } as const
  const occurrence = { offset: 3, prefix: 0, encoding: 'utf8' } as const
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
  return decodeEntries(columns, digests, decodeFrames('tar.zst', columns, 1000, 1100))
}

test('a valid index is accepted unchanged', () => {
  assert.deepEqual(
    decode(() => {}),
    valid().entries,
  )
})

const FORGERIES: Record<string, (columns: Columns) => void> = {
  'a name that leads out of the folder': (columns) => (columns.names = 'bin/a/b/c/lib/..'),
  'a name that is the folder itself': (columns) => (columns.names = 'bin/./b/c/lib/lib64'),
  'an empty name, as in an absolute path': (columns) => (columns.names = '/a/b/c/lib/lib64'),
  'more names than entries': (columns) => (columns.names = 'bin/a/b/c/lib/lib64/x'),
  'a name with a NUL': (columns) => (columns.names = 'bin/a\0/b/c/lib/lib64'),
  'a name that is not made of bytes': (columns) => (columns.names = 'bin/a\u0141/b/c/lib/lib64'),
  'the same path twice': (columns) => (columns.names = 'bin/a/a/c/lib/lib64'),
  'entries out of order': (columns) => (columns.names = 'bin/b/a/c/lib/lib64'),
  'an entry in a file': (columns) => (columns.parents[2] = 2),
  'an entry in a symbolic link': (columns) => Object.assign(columns, { types: 'dlffhdd', targets: ['lib'] }),
  'an entry in a folder that comes later': (columns) => (columns.parents[1] = 5),
  'an entry in no folder': (columns) => (columns.parents[0] = -1),
  'a prefix that is not a directory': (columns) => (columns.types = 'fdffhdl'),
  'an entry of an unknown type': (columns) => (columns.types = 'ddffhdx'),
  'a hard link to a folder': (columns) => (columns.links[0] = 1),
  'a hard link to nothing': (columns) => (columns.links[0] = 99),
  'one hard link too many': (columns) => columns.links.push(2),
  'a symbolic link without a target': (columns) => (columns.targets[0] = ''),
  'a missing target': (columns) => columns.targets.pop(),
  'a mode beyond permissions': (columns) => (columns.modes[3] = 0o10000),
  'a missing mode': (columns) => columns.modes.pop(),
  'a second of more than 10^9 ns': (columns) => (columns.nanos[3] = 1e9),
  'a file in a frame that does not exist': (columns) => (columns.frames[0] = 2),
  'a file that begins outside its frame': (columns) => (columns.offsets[0] = 101),
  'a file that ends behind the last frame': (columns) => (columns.sizes[1] = 106),
  'a file of negative size': (columns) => (columns.sizes[1] = -1),
  'a file without a size': (columns) => columns.sizes.pop(),
  'a package that does not exist': (columns) => (columns.packageOf[1] = 1),
  'a relocation of a file that does not exist': (columns) => (columns.relocations[0]![0] = 2),
  'an occurrence outside its file': (columns) => (columns.relocations[0]![1].occurrences[0]!.offset = 10),
  'an occurrence without an offset': (columns) => (columns.relocations[0]![1].occurrences[0] = null as never),
  'frames that end before the index': (columns) => (columns.compressedSizes[1] = 49),
  'a frame larger than any': (columns) => (columns.frameSizes[1] = 2 ** 40),
  'a frame without a size': (columns) => columns.frameSizes.pop(),
}

for (const [what, forge] of Object.entries(FORGERIES)) {
  test(`an index with ${what} is refused`, () => {
    assert.throws(() => decode(forge), Inconsistent)
  })
}

test('an index with too few digests is refused', () => {
  assert.throws(() => decode(() => {}, Buffer.alloc(16)), Inconsistent)
})
