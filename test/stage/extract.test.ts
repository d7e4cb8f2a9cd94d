import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import type { StageError } from '../../src/errors.ts'
import { fsPath } from '../../src/model/byte-path.ts'
import type { ProgressEvent } from '../../src/model/progress.ts'
import { type ExtractOptions, extract } from '../../src/stage/extract.ts'
import { MTIME, newPrefix, originalOf, smallArchive, type Thing, temporaryFolder } from './small-archive.ts'

const ORIGINAL = originalOf(80)
const MIB = 1024 * 1024

/** Bytes for more than one frame, no two pieces alike. */
const large = (size: number): Buffer => {
  const content = Buffer.alloc(size)
  for (let at = 0; at + 8 <= size; at += 8) content.writeDoubleLE(at * 1.0000001, at)
  return content
}

async function staged(
  context: Parameters<typeof temporaryFolder>[0],
  tree: Record<string, Thing>,
  {
    length = 80,
    prefixes = [ORIGINAL],
    ...options
  }: Partial<ExtractOptions> & { length?: number; prefixes?: string[] },
) {
  const folder = temporaryFolder(context)
  const { archive, fd, index } = await smallArchive(context, `${folder}/env.tar.zst`, prefixes, tree)
  const prefix = newPrefix(folder, length)
  const result = await extract({ archive, fd, index, prefix, readOnly: false, threads: 2, ...options })
  return { folder, prefix, result, read: (path: string) => readFileSync(`${prefix}/${path}`) }
}

test('the copy has every file, folder and link of the original, with its mode and mtime', async (context) => {
  const tree: Record<string, Thing> = {
    'bin/tool': { content: '#!/bin/sh\n', mode: 0o755 },
    'bin/group': { content: 'x', mode: 0o664 },
    'lib/empty': { content: '' },
    'lib/large': { content: large(9 * MIB), mode: 0o444 },
    'lib/link': { symlink: 'large' },
    'lib/dangling': { symlink: '/nowhere/at all' },
    'lib/second': { hardlink: 'bin/tool', mode: 0o755 },
    'lib/forbidden/inner': { content: 'inner' },
    'lib/forbidden': { folder: true, mode: 0o555, mtimeNs: 1_000_000_000_999_999_999n },
    shared: { folder: true, mode: 0o2775 },
  }
  const { prefix, result } = await staged(context, tree, {})
  for (const [path, thing] of Object.entries(tree)) {
    const facts = lstatSync(`${prefix}/${path}`, { bigint: true })
    assert.equal(facts.mtimeNs / 1000n, (thing.mtimeNs ?? MTIME) / 1000n, path)
    if ('symlink' in thing) assert.equal(readlinkSync(`${prefix}/${path}`), thing.symlink)
    else assert.equal(Number(facts.mode) & 0o7777, thing.mode ?? 0o644, path)
    if ('content' in thing) assert.ok(readFileSync(`${prefix}/${path}`).equals(Buffer.from(thing.content)), path)
  }
  assert.equal(lstatSync(prefix, { bigint: true }).mtimeNs / 1000n, MTIME / 1000n)
  assert.equal(statSync(`${prefix}/bin/tool`).ino, statSync(`${prefix}/lib/second`).ino)
  assert.deepEqual(result, { files: 5, bytes: 9 * MIB + 10 + 1 + 5, left: [], digests: [] })
  assert.deepEqual(readdirSync(dirname(prefix)), ['env'])
})

test('access times in a copy are those of staging, so that cleaners of scratch disks do not take it for old', async (context) => {
  const tree: Record<string, Thing> = {
    'bin/tool': { content: 'x' },
    'lib/large': { content: large(5 * MIB) },
    'lib/link': { symlink: 'large' },
    'lib/moved.cfg': { content: `${ORIGINAL}/lib ${'#'.repeat(100)}` },
  }
  for (const length of [80, 120]) {
    const begun = BigInt(Date.now()) * 1_000_000n
    const { prefix } = await staged(context, tree, { length })
    for (const path of ['', 'bin', ...Object.keys(tree)]) {
      const { atimeNs, mtimeNs } = lstatSync(`${prefix}/${path}`, { bigint: true })
      // Coarse clocks of file systems, and reads of the test itself, come later.
      assert.ok(atimeNs >= begun - 1_000_000_000n, path)
      assert.equal(mtimeNs / 1000n, MTIME / 1000n, path)
    }
  }
})

test('a read-only copy has no write bits, and every other permission of the original', async (context) => {
  const tree: Record<string, Thing> = {
    'bin/tool': { content: 'x', mode: 0o775 },
    'lib/large': { content: large(5 * MIB), mode: 0o664 },
  }
  const { prefix } = await staged(context, tree, { readOnly: true })
  const mode = (path: string): string => (statSync(`${prefix}/${path}`).mode & 0o7777).toString(8)
  assert.deepEqual(['', 'bin', 'bin/tool', 'lib', 'lib/large'].map(mode), ['555', '555', '555', '555', '444'])
})

test('names of any bytes are the same in the copy', async (context) => {
  const names = ['-leading', 'with space', 'new\nline', '$quote\'"', 'latin\xe9', Buffer.from('ü').toString('latin1')]
  const tree = Object.fromEntries(names.map((name) => [`lib/${name}/${name}`, { content: name }]))
  const { prefix } = await staged(context, tree, {})
  for (const name of names)
    assert.equal(readFileSync(fsPath(prefix, `lib/${name}/${name}`), 'utf8'), name, JSON.stringify(name))
})

test('in a copy whose path has the same length every prefix is replaced in place, even across the frames of a large file', async (context) => {
  const content = large(9 * MIB)
  // The writer cuts at 4 MiB of tar, headers included: so there is one occurrence every 100 bytes around there.
  for (const seam of [4 * MIB, 8 * MIB])
    for (let n = -60; n < 20; n++) content.write(`\0${ORIGINAL}/lib\0`, seam + n * 100)
  const tree: Record<string, Thing> = {
    'bin/tool': { content: `#!${ORIGINAL}/bin/python\n`, mode: 0o755 },
    'lib/large': { content },
    'lib/link': { symlink: `${ORIGINAL}/lib/large` },
    'lib/neighbour': { content: `${ORIGINAL}2/lib` },
  }
  const { prefix, read, result } = await staged(context, tree, {})
  assert.equal(String(read('bin/tool')), `#!${prefix}/bin/python\n`)
  const expected = content.toString('latin1').replaceAll(ORIGINAL, prefix)
  assert.ok(read('lib/large').equals(Buffer.from(expected, 'latin1')))
  assert.equal(readlinkSync(`${prefix}/lib/link`), `${prefix}/lib/large`)
  assert.equal(String(read('lib/neighbour')), `${ORIGINAL}2/lib`)
  assert.deepEqual([result.left, result.digests], [[], []])
})

for (const [what, length] of [
  ['longer', 120],
  ['shorter', 60],
] as const)
  test(`in a copy with a ${what} path every prefix in texts is replaced, whatever their size, and files that keep it are reported`, async (context) => {
    const line = `path = ${ORIGINAL}/lib ${'#'.repeat(1000)}\n`
    const text = line.repeat(Math.ceil((9 * MIB) / line.length))
    const tree: Record<string, Thing> = {
      'etc/small.cfg': { content: line },
      'etc/large.cfg': { content: text, mode: 0o444 },
      'lib/tool': { content: Buffer.from(`\0\x01${ORIGINAL}/lib\0next string\0`) },
    }
    const folderLength = Buffer.byteLength(temporaryFolder(context)) + 30
    const { prefix, read, result } = await staged(context, tree, { length: Math.max(length, folderLength) })
    assert.equal(String(read('etc/small.cfg')), line.replace(ORIGINAL, prefix))
    assert.ok(String(read('etc/large.cfg')) === text.replaceAll(ORIGINAL, prefix))
    const { mode, mtimeNs } = statSync(`${prefix}/etc/large.cfg`, { bigint: true })
    assert.deepEqual([mode & 0o7777n, mtimeNs / 1000n], [0o444n, MTIME / 1000n])
    const digest = (path: string) => createHash('sha256').update(read(path)).digest('hex').slice(0, 32)
    assert.deepEqual(
      result.digests.sort(),
      ['etc/large.cfg', 'etc/small.cfg'].map((path) => [path, digest(path)]),
    )
    assert.deepEqual(result.left, [{ path: 'lib/tool', kind: 'binary', occurrences: 1 }])
    assert.equal(String(read('lib/tool')), `\0\x01${ORIGINAL}/lib\0next string\0`)
  })

test('zeros are holes in a copy, whether a file is copied as it is, changed in place or written again', async (context) => {
  const line = `${ORIGINAL}/lib\n`
  // In several frames: a hole at the beginning, over the seam of two frames, and at the end.
  const content = Buffer.alloc(9 * MIB)
  content.write(line, 3 * MIB + 5)
  const placeholder = { text: ORIGINAL, mode: 'text' } as const
  const tree: Record<string, Thing> = {
    'lib/nothing': { content: Buffer.alloc(9 * MIB) },
    'lib/small': { content: Buffer.concat([Buffer.alloc(MIB), Buffer.from(line), Buffer.alloc(MIB)]), placeholder },
    'lib/large': { content, placeholder },
    'lib/some zeros': { content: Buffer.from('\0\0\0\0') },
  }
  for (const length of [80, 120]) {
    const { prefix, read, result } = await staged(context, tree, { length })
    assert.deepEqual([result.left, result.digests.length], [[], length === 80 ? 0 : 2])
    for (const [path, thing] of Object.entries(tree)) {
      const original = String('content' in thing && thing.content)
      assert.ok(String(read(path)) === original.replaceAll(ORIGINAL, prefix), path)
      assert.ok(statSync(`${prefix}/${path}`).blocks * 512 <= 128 * 1024, path)
    }
  }
})

test('one thread and more threads than frames write the same copy', async (context) => {
  const tree = { 'lib/a': { content: large(9 * MIB) }, 'lib/b': { content: ORIGINAL } }
  for (const threads of [1, 16, 64]) {
    const { prefix, read } = await staged(context, tree, { threads })
    assert.ok(read('lib/a').equals(large(9 * MIB)))
    assert.equal(String(read('lib/b')), prefix)
  }
})

test('the umask of the session does not change the modes in the copy', async (context) => {
  const before = process.umask(0o077)
  try {
    const { prefix } = await staged(context, { 'bin/tool': { content: 'x', mode: 0o755 } }, {})
    assert.equal(statSync(`${prefix}/bin/tool`).mode & 0o7777, 0o755)
    assert.equal(statSync(`${prefix}/bin`).mode & 0o7777, 0o755)
  } finally {
    process.umask(before)
  }
})

test('progress of an extraction ends with all files and all bytes', async (context) => {
  const events: ProgressEvent[] = []
  const onProgress = (event: ProgressEvent) => events.push(event)
  await staged(context, { a: { content: 'abc' }, b: { content: large(5 * MIB) } }, { onProgress })
  const [totalFiles, totalBytes] = [2, 5 * MIB + 3]
  const expected = { kind: 'progress', phase: 'extract', files: 2, totalFiles, bytes: totalBytes, totalBytes }
  assert.deepEqual(events.at(-1), expected)
})

/** Runs an extraction that must fail, and checks that nothing is left beside the stage's folder. */
async function failing(
  context: Parameters<typeof temporaryFolder>[0],
  spoil: (archive: string) => void,
  options: Partial<ExtractOptions> = {},
): Promise<StageError> {
  const folder = temporaryFolder(context)
  const tree = { 'lib/large': { content: large(12 * MIB) }, 'lib/x/y': { content: 'x' } }
  const { archive, fd, index } = await smallArchive(context, `${folder}/env.tar.zst`, [ORIGINAL], tree)
  const prefix = newPrefix(folder, 80)
  spoil(archive)
  const error = await extract({ archive, fd, index, prefix, readOnly: true, threads: 2, ...options }).then(
    () => assert.fail('nothing failed'),
    (reason) => reason,
  )
  assert.deepEqual(readdirSync(dirname(prefix)), [])
  return error
}

test('a flipped bit in the archive is an error that names the archive, and no half-made copy is left', async (context) => {
  const error = await failing(context, (archive) => {
    const fd = openSync(archive, 'r+')
    writeSync(fd, Buffer.from([0x55, 0xaa]), 0, 2, Math.floor(statSync(archive).size / 2))
  })
  assert.equal(error.code, 'ARCHIVE_DAMAGED')
  assert.match(error.message, /env\.tar\.zst/)
})

test('extracting a truncated archive is an error, and no half-made copy is left', async (context) => {
  const error = await failing(context, (archive) => truncateSync(archive, Math.floor(statSync(archive).size / 3)))
  assert.equal(error.code, 'ARCHIVE_DAMAGED')
})

test('cancelling an extraction, before or while it runs, leaves no half-made copy', async (context) => {
  assert.equal((await failing(context, () => {}, { signal: AbortSignal.abort('SIGINT') })).code, 'CANCELLED')
  const controller = new AbortController()
  let written = Number.NaN
  const onProgress = (event: ProgressEvent) => {
    if (event.kind === 'progress') written = event.bytes
  }
  // The extraction begins in this turn of the event loop; its workers are still starting in the next.
  const abort = () => void setImmediate(() => controller.abort('SIGINT'))
  const error = await failing(context, abort, { signal: controller.signal, threads: 1, onProgress })
  assert.equal(error.code, 'CANCELLED')
  assert.ok(written < 12 * MIB, `${written} bytes were written`)
})

test('an extraction fails if its target exists, and leaves that alone', async (context) => {
  const folder = temporaryFolder(context)
  const { archive, fd, index } = await smallArchive(context, `${folder}/env.tar.zst`, [ORIGINAL], {
    a: { content: 'x' },
  })
  const prefix = newPrefix(folder, 80)
  mkdirSync(`${prefix}/mine`, { recursive: true })
  await assert.rejects(extract({ archive, fd, index, prefix, readOnly: true }))
  assert.ok(existsSync(`${prefix}/mine`))
  assert.deepEqual(readdirSync(dirname(prefix)), ['env'])
})
