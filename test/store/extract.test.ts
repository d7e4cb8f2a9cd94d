/** Copies on one node share files: what is extracted beside another copy is the same as without it. */
import assert from 'node:assert/strict'
import { chmodSync, lstatSync, openSync, readFileSync, rmSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { extract } from '../../src/stage/extract.ts'
import { removeTree } from '../../src/stage/remove-tree.ts'
import type { OtherCopy } from '../../src/store/equal-files.ts'
import { MTIME, newPrefix, originalOf, smallArchive, type Thing, temporaryFolder } from '../stage/small-archive.ts'

const LENGTH = 80
const ORIGINAL = originalOf(LENGTH)
const LATER = MTIME + 5_000_000_000n
const WITH_PREFIX = `#!${ORIGINAL}/bin/python\n`

type Tree = Record<string, Thing>
type Made = OtherCopy & { shared: { files: number; bytes: number } | undefined; archive: string }

let made = 0

async function copyOf(
  context: TestContext,
  folder: string,
  tree: Tree,
  {
    copies,
    isPlain = false,
    readOnly = true,
    damage,
  }: { copies?: OtherCopy[]; isPlain?: boolean; readOnly?: boolean; damage?: boolean } = {},
): Promise<Made> {
  const { archive, fd, index } = await smallArchive(context, `${folder}/${++made}.tar.zst`, [ORIGINAL], tree)
  if (damage) {
    const handle = openSync(archive, 'r+')
    for (const frame of index.frames.slice(0, -1))
      writeSync(handle, Buffer.alloc(frame.compressedSize), 0, frame.compressedSize, frame.offset)
  }
  const prefix = newPrefix(folder, LENGTH)
  const { shared } = await extract({ archive, fd, index, prefix, readOnly, isPlain, copies, threads: 1 })
  return { prefix, isPlain, index, shared, archive }
}

const inode = ({ prefix }: OtherCopy, path: string): number => lstatSync(`${prefix}/${path}`).ino
const read = ({ prefix }: OtherCopy, path: string): string => readFileSync(`${prefix}/${path}`, 'latin1')

const TREE: Tree = {
  'bin/python': { content: 'program', mode: 0o755 },
  'bin/script': { content: WITH_PREFIX, mode: 0o755 },
  'lib/large': { content: Buffer.alloc(9 * 1024 * 1024, 'large') },
  'lib/module.py': { content: 'import os\n' },
  'lib/empty': { content: '' },
  'lib/second': { hardlink: 'bin/python', mode: 0o755 },
  'lib/link': { symlink: `${ORIGINAL}/bin/python` },
}

test('a new version takes the files that did not change from the copy that is there, and no room for them', async (context) => {
  const folder = temporaryFolder(context)
  const old = await copyOf(context, folder, TREE)
  assert.equal(old.shared, undefined)
  const changed = { ...TREE, 'lib/module.py': { content: 'import sys\n' }, 'lib/new': { content: 'new' } }
  const copy = await copyOf(context, folder, changed, { copies: [old] })
  for (const path of ['bin/python', 'lib/large']) assert.equal(inode(copy, path), inode(old, path), path)
  for (const path of ['bin/script', 'lib/module.py']) assert.notEqual(inode(copy, path), inode(old, path), path)
  assert.deepEqual(copy.shared, { files: 2, bytes: 7 + 9 * 1024 * 1024 })
  assert.equal(read(copy, 'bin/script'), WITH_PREFIX.replace(ORIGINAL, copy.prefix))
  assert.equal(read(old, 'bin/script'), WITH_PREFIX.replace(ORIGINAL, old.prefix))
  assert.equal(read(copy, 'lib/module.py'), 'import sys\n')
  assert.equal(inode(copy, 'lib/second'), inode(copy, 'bin/python'))
})

test('what another copy has is not read from the archive, with the prefix or without', async (context) => {
  const folder = temporaryFolder(context)
  const old = await copyOf(context, folder, TREE)
  // All frames but the last are zeros: reading one would fail.
  const copy = await copyOf(context, folder, TREE, { copies: [old], damage: true })
  assert.equal(read(copy, 'bin/script'), WITH_PREFIX.replace(ORIGINAL, copy.prefix))
  await assert.rejects(copyOf(context, folder, TREE, { damage: true }))
})

test('a file that somebody has changed in the other copy is not taken', async (context) => {
  const folder = temporaryFolder(context)
  const old = await copyOf(context, folder, TREE)
  const edit = (path: string, content: string) => {
    chmodSync(`${old.prefix}/${path}`, 0o644)
    writeFileSync(`${old.prefix}/${path}`, content)
  }
  edit('bin/python', 'PROGRAM')
  edit('bin/script', WITH_PREFIX.replace(ORIGINAL, old.prefix).replace('python', 'PYTHON'))
  edit('lib/module.py', 'longer than before\n')
  chmodSync(`${old.prefix}/lib/large`, 0o400)
  const copy = await copyOf(context, folder, TREE, { copies: [old] })
  assert.equal(read(copy, 'bin/python'), 'program')
  assert.equal(read(copy, 'bin/script'), WITH_PREFIX.replace(ORIGINAL, copy.prefix))
  assert.equal(read(copy, 'lib/module.py'), 'import os\n')
  assert.equal(lstatSync(`${copy.prefix}/lib/large`).mode & 0o777, 0o444)
  assert.deepEqual(copy.shared, { files: 0, bytes: 0 })
})

test('another copy that is gone, wholly or in part, is none', async (context) => {
  const folder = temporaryFolder(context)
  const [whole, part] = [await copyOf(context, folder, TREE), await copyOf(context, folder, TREE)]
  chmodSync(`${part.prefix}/bin`, 0o755)
  rmSync(`${part.prefix}/bin/python`)
  rmSync(`${part.prefix}/bin/script`)
  await removeTree(dirname(whole.prefix))
  const copy = await copyOf(context, folder, TREE, { copies: [part, whole] })
  assert.deepEqual(await described(copy), await described(await copyOf(context, folder, TREE)))
  assert.equal(inode(copy, 'lib/large'), inode(part, 'lib/large'))
})

test('a writable copy takes nothing', async (context) => {
  const folder = temporaryFolder(context)
  const old = await copyOf(context, folder, TREE)
  const copy = await copyOf(context, folder, TREE, { copies: [old], readOnly: false })
  for (const path of ['bin/python', 'lib/large', 'lib/module.py'])
    assert.notEqual(inode(copy, path), inode(old, path), path)
})

test('a file that is the same but for its time or mode becomes a file of its own', async (context) => {
  const folder = temporaryFolder(context)
  const old = await copyOf(context, folder, TREE)
  const later: Tree = {
    ...TREE,
    'lib/module.py': { content: 'import os\n', mtimeNs: LATER },
    'bin/python': { content: 'program', mode: 0o700 },
  }
  const copy = await copyOf(context, folder, later, { copies: [old] })
  assert.equal(Math.floor(lstatSync(`${copy.prefix}/lib/module.py`).mtimeMs), Number(LATER / 1_000_000n))
  assert.notEqual(inode(copy, 'lib/module.py'), inode(old, 'lib/module.py'))
  assert.equal(lstatSync(`${copy.prefix}/bin/python`).mode & 0o777, 0o500)
  assert.equal(lstatSync(`${old.prefix}/bin/python`).mode & 0o777, 0o555)
})

test('a shared file counts as used when the newer copy was made', async (context) => {
  const folder = temporaryFolder(context)
  const old = await copyOf(context, folder, TREE)
  const { mtimeMs } = lstatSync(`${old.prefix}/lib/module.py`)
  utimesSync(`${old.prefix}/lib/module.py`, 0, mtimeMs / 1000)
  const copy = await copyOf(context, folder, TREE, { copies: [old] })
  assert.equal(inode(copy, 'lib/module.py'), inode(old, 'lib/module.py'))
  assert.ok(Date.now() - lstatSync(`${copy.prefix}/lib/module.py`).atimeMs < 60_000)
})

const CONTENTS = ['a', 'b', 'longer text', WITH_PREFIX, `see ${ORIGINAL}/lib and ${ORIGINAL}`, '']
const trees = fc.dictionary(
  fc.constantFrom('a', 'b', 'c/d', 'c/e', 'c/f', 'g', 'h.py', 'h.pyc'),
  fc.record({
    content: fc.constantFrom(...CONTENTS),
    mode: fc.constantFrom(0o644, 0o755, 0o444),
    mtimeNs: fc.constantFrom(MTIME, LATER),
  }),
  { minKeys: 1 },
)

test('whatever other copies there are, a copy has the bytes, modes, times and links that it has without them', async (context) => {
  const folder = temporaryFolder(context)
  const property = fc.asyncProperty(
    trees,
    trees,
    fc.boolean(),
    fc.boolean(),
    async (before, after, wasPlain, isPlain) => {
      const old = await copyOf(context, folder, before, { isPlain: wasPlain })
      const alone = await copyOf(context, folder, after, { isPlain })
      const copy = await copyOf(context, folder, after, { isPlain, copies: [old] })
      assert.deepEqual(await described(copy), await described(alone))
      // And the other one is as it was.
      const again = await copyOf(context, folder, before, { isPlain: wasPlain })
      assert.deepEqual(await described(old), await described(again))
      for (const { prefix } of [old, alone, copy, again]) await removeTree(dirname(prefix))
    },
  )
  await fc.assert(property, { numRuns: 25 })
})

/** Each file with its facts, and the original's prefix in place of the copy's. */
async function described(copy: OtherCopy): Promise<string[]> {
  const found: string[] = []
  for (const { path, type } of copy.index.entries) {
    const facts = lstatSync(`${copy.prefix}/${path}`, { bigint: true })
    const content = type === 'file' ? read(copy, path).replaceAll(copy.prefix, '@') : ''
    found.push([path, type, facts.mode, type === 'file' ? facts.mtimeNs : 0, content].join(' '))
  }
  return found
}
