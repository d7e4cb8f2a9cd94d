/** Trees that would lead out of the copy, if anything in them were written in another order or by another way. */
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StageError } from '../../src/errors.ts'
import type { ArchivedEntry, ArchivedFile, ArchiveIndex } from '../../src/model/archive-index.ts'
import { extract } from '../../src/stage/extract.ts'
import { addOwnFiles } from '../../src/stage/own-files.ts'
import { listing } from '../archive/support.ts'
import { newPrefix, originalOf, smallArchive, type Thing, temporaryFolder } from './small-archive.ts'

const ORIGINAL = originalOf(80)
/** More than one frame, so that several threads write into the file. */
const LARGE = Buffer.alloc(9 * 1024 * 1024, 'not all zeros')

/** A folder that belongs to somebody else, with a file and a link out of the copy to each. */
async function scene(context: TestContext, tree: Record<string, Thing>) {
  const folder = temporaryFolder(context)
  const outside = `${folder}/outside`
  mkdirSync(outside)
  writeFileSync(`${outside}/file`, 'mine', { mode: 0o400 })
  const { archive, fd, index } = await smallArchive(context, `${folder}/env.tar.zst`, [ORIGINAL], tree)
  const prefix = newPrefix(folder, 80)
  return { archive, fd, index, prefix, outside }
}

test('links of a copy may lead anywhere, and nothing outside of it changes by them', async (context) => {
  const folder = temporaryFolder(context)
  const outside = `${folder}/outside`
  const { archive, fd, index, prefix } = await scene(context, {
    'lib/out': { symlink: outside },
    'lib/up': { symlink: `${'../'.repeat(60)}${outside.slice(1)}/file` },
    'lib/root': { symlink: '/' },
    'lib/file': { content: 'x' },
    'lib/large': { content: LARGE },
  })
  mkdirSync(outside)
  writeFileSync(`${outside}/file`, 'mine', { mode: 0o400 })
  const before = await listing(outside)
  await extract({ archive, fd, index, prefix, readOnly: true, threads: 2 })
  assert.deepEqual(await listing(outside), before)
  assert.equal(readlinkSync(`${prefix}/lib/out`), outside)
  assert.equal(readlinkSync(`${prefix}/lib/root`), '/')
})

/** What an index can't say, since it is checked. Here it says so all the same: writing must be safe by itself. */
const ATTACKS: Record<string, (index: ArchiveIndex, outside: string) => ArchivedEntry[]> = {
  'a file below a symbolic link': ({ entries }, outside) => change(entries, { 'lib/sub': (sub) => link(sub, outside) }),
  'a large file below a symbolic link': ({ entries }, outside) =>
    change(entries, { 'lib/deep': (deep) => link(deep, outside) }),
  'a file with the name of a symbolic link to another file': ({ entries }, outside) =>
    change(entries, { 'lib/link': (other) => link({ ...other, path: 'lib/sub/file' }, `${outside}/file`) }),
  'a large file with the name of a symbolic link to another file': ({ entries }, outside) =>
    change(entries, { 'lib/link': (other) => link({ ...other, path: 'lib/deep/large' }, `${outside}/file`) }),
  'a folder with the name of a symbolic link to another folder': ({ entries }, outside) =>
    change(entries, { 'lib/link': (other) => link({ ...other, path: 'lib/sub' }, outside) }),
  'a hard link through a symbolic link': ({ entries }, outside) =>
    change(entries, {
      'lib/link': (other) => link(other, outside),
      'lib/second': (second) => ({ ...second, type: 'hardlink', target: 'lib/link/file' }),
    }),
  'a hard link below a symbolic link': ({ entries }, outside) =>
    change(entries, {
      'lib/link': (other) => link(other, outside),
      'lib/second': (second) => ({ ...second, type: 'hardlink', path: 'lib/link/new', target: 'lib/sub/file' }),
    }),
  'a file with the name of another one, as on a disk that does not tell A from a': ({ entries }) =>
    change(entries, { 'lib/second': (second) => ({ ...second, path: 'lib/sub/file' }) }),
}

const link = ({ path, mode, mtimeNs }: ArchivedEntry, target: string): ArchivedEntry => ({
  type: 'symlink',
  path,
  mode,
  mtimeNs,
  target,
})

function change(entries: ArchivedEntry[], by: Record<string, (entry: ArchivedFile) => unknown>): ArchivedEntry[] {
  return entries.map((entry) => (by[entry.path]?.(entry as ArchivedFile) as ArchivedEntry) ?? entry)
}

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`writing ${what} fails, changes nothing outside of the copy, and leaves nothing`, async (context) => {
    const { archive, fd, index, prefix, outside } = await scene(context, {
      'lib/sub/file': { content: 'evil' },
      'lib/deep/large': { content: LARGE },
      'lib/link': { content: 'x' },
      'lib/second': { content: 'y' },
    })
    const before = await listing(outside)
    const forged = { ...index, entries: attack(index, outside) }
    await assert.rejects(extract({ archive, fd, index: forged, prefix, readOnly: true, threads: 2 }), (error) => {
      assert.ok(error instanceof StageError, String(error))
      return error.path?.includes('/.extracting/lib/') === true
    })
    assert.deepEqual(await listing(outside), before)
    assert.deepEqual(readdirSync(dirname(prefix)), [])
  })
}

test("a copy's own files are not put through links that lead out of it, and no mode outside changes", async (context) => {
  const { archive, fd, index, prefix, outside } = await scene(context, { 'bin/tool': { content: 'x' } })
  mkdirSync(`${outside}/conda-meta`)
  writeFileSync(`${outside}/conda-meta/history`, '', { mode: 0o444 })
  const before = await listing(outside)
  const common = { type: 'symlink', mode: 0o777, mtimeNs: 0n } as const
  const links = [
    { ...common, path: 'conda-meta', target: `${outside}/conda-meta` },
    { ...common, path: 'etc', target: outside },
    { ...common, path: 'lib', target: outside },
  ]
  const entries = [...index.entries, ...links]
  await extract({ archive, fd, index: { ...index, entries }, prefix, readOnly: true, threads: 1 })
  addOwnFiles(prefix, { entries, readOnly: true, scripts: [] })
  assert.deepEqual(await listing(outside), before)
})

test('setuid and setgid bits of programs are dropped in a copy, and so is the right of others to write', async (context) => {
  for (const readOnly of [true, false]) {
    const { archive, fd, index, prefix } = await scene(context, {
      'bin/setuid': { content: 'x', mode: 0o4755 },
      'bin/setgid': { content: 'x', mode: 0o2755 },
      'bin/large': { content: LARGE, mode: 0o6777 },
      'lib/open': { content: 'x', mode: 0o666 },
      tmp: { folder: true, mode: 0o1777 },
      shared: { folder: true, mode: 0o6775 },
    })
    await extract({ archive, fd, index, prefix, readOnly, threads: 1 })
    const mode = (path: string) => (statSync(`${prefix}/${path}`).mode & 0o7777).toString(8)
    const write = readOnly ? 0o222 : 0o002
    const bits = {
      'bin/setuid': 0o755,
      'bin/setgid': 0o755,
      'bin/large': 0o777,
      'lib/open': 0o666,
      tmp: 0o1777,
      shared: 0o2775,
    }
    for (const [path, kept] of Object.entries(bits)) assert.equal(mode(path), (kept & ~write).toString(8), path)
    assert.equal(lstatSync(`${prefix}/bin/setuid`).size, readFileSync(`${prefix}/bin/setuid`).length)
  }
})
