import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ownIdentity } from '../../src/platform/process-identity.ts'
import { extract } from '../../src/stage/extract.ts'
import { writeRecord } from '../../src/stage/record.ts'
import { verifyStage } from '../../src/stage/verify.ts'
import { keepIndexOf, newPrefix, originalOf, smallArchive, type Thing, temporaryFolder } from './small-archive.ts'

const ORIGINAL = originalOf(100)
const REAL = ORIGINAL.replace('/net/', '/gpf/')
/** A .pyc with one counted string, as the compiler writes it (marshal's 'z' is a string of up to 255 bytes). */
const pyc = (path: string): Buffer =>
  Buffer.concat([
    Buffer.from([0xf3, 0x0d, 0x0d, 0x0a]),
    Buffer.alloc(12),
    Buffer.from([0x7a, path.length]),
    Buffer.from(path),
  ])

const TREE: Record<string, Thing> = {
  'bin/tool': { content: `#!${ORIGINAL}/bin/python\n`, mode: 0o755 },
  'bin/python': { content: 'ELF', mode: 0o755 },
  'bin/link': { symlink: `${ORIGINAL}/bin/python` },
  'bin/second': { hardlink: 'bin/python', mode: 0o755 },
  'etc/both.cfg': { content: `${ORIGINAL}/a ${REAL}/b ${ORIGINAL}2/c\n` },
  'lib/__pycache__/x.pyc': { content: pyc(`${ORIGINAL}/lib/x.py`) },
  'lib/large.cfg': { content: `prefix = ${ORIGINAL}\n${'#'.repeat(1000)}\n`.repeat(6000) },
  'lib/tool.bin': { content: Buffer.from(`\0\x01${ORIGINAL}/lib\0next string\0`) },
  'share/old.gz': { content: Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.from(`\0${ORIGINAL}/x\0`)]) },
}

async function stage(context: TestContext, { readOnly = false, length = 100, tree = TREE } = {}) {
  const folder = temporaryFolder(context)
  const { archive, fd, index } = await smallArchive(context, `${folder}/env.tar.zst`, [ORIGINAL, REAL], tree)
  const prefix = newPrefix(folder, length)
  const { digests } = await extract({ archive, fd, index, prefix, readOnly, threads: 1 })
  await keepIndexOf(archive, index, dirname(prefix))
  await writeRecord(dirname(prefix), {
    version: 1,
    original: ORIGINAL,
    prefix,
    archive: { path: archive, created: index.created },
    created: '',
    owner: ownIdentity(),
    readOnly,
    digests: Object.fromEntries(digests),
  })
  return prefix
}

const found = async (prefix: string) =>
  (await verifyStage(prefix)).map(({ path, kind, harmless }) => `${path} ${kind}${harmless ? ' harmless' : ''}`)

test('verifying accepts links and .pth lines that led out of the original by a relative path', async (context) => {
  const site = 'lib/python3.11/site-packages'
  const tree: Record<string, Thing> = {
    [`${site}/one.pth`]: { content: '../../../../src/one\n' },
    [`${site}/two.egg-link`]: { content: `../../../../src/two\n${ORIGINAL}\n` },
    'lib/out': { symlink: '../../big' },
    'lib/again': { symlink: '../../env/lib' },
    'lib/slashes': { symlink: `${ORIGINAL.replace('/env', '//env')}/lib/` },
  }
  for (const length of [100, 90]) {
    const prefix = await stage(context, { tree, length })
    assert.deepEqual(await found(prefix), [])
    const above = dirname(REAL)
    assert.equal(readFileSync(`${prefix}/${site}/one.pth`, 'utf8'), `${dirname(ORIGINAL)}/src/one\n`)
    assert.equal(readFileSync(`${prefix}/${site}/two.egg-link`, 'utf8'), `${dirname(ORIGINAL)}/src/two\n${prefix}\n`)
    const targets = ['out', 'again', 'slashes'].map((name) => readlinkSync(`${prefix}/lib/${name}`))
    assert.deepEqual(targets, [`${above}/big`, '../lib', `${prefix}/lib/`])
  }
})

test('a stage whose path is as long as the original holds the original prefix only in files that must not be edited', async (context) => {
  for (const readOnly of [true, false])
    assert.deepEqual(await found(await stage(context, { readOnly })), ['share/old.gz prefix harmless'])
})

test('a stage whose path has another length reports each file by which a program may still reach the original', async (context) => {
  const prefix = await stage(context, { length: 130 })
  assert.deepEqual(await found(prefix), [
    'lib/__pycache__/x.pyc prefix harmless',
    'lib/tool.bin prefix',
    'share/old.gz prefix harmless',
  ])
  const [, tool] = await verifyStage(prefix)
  assert.match(tool!.why, /original prefix in one place: .*reach the original/)
})

test('one changed byte is found, inside a relocated prefix or elsewhere, in small and large files, at the same length or another', async (context) => {
  for (const length of [100, 130]) {
    const prefix = await stage(context, { readOnly: true, length, tree: { ...TREE, 'share/old.gz': { content: '' } } })
    const before = (await found(prefix)).length
    for (const path of ['etc/both.cfg', 'lib/large.cfg']) {
      chmodSync(`${prefix}/${path}`, 0o644)
      writeFileSync(`${prefix}/${path}`, 'x', { flag: 'r+' })
      chmodSync(`${prefix}/${path}`, 0o444)
    }
    const now = await found(prefix)
    assert.deepEqual(
      [now.length, now.includes('etc/both.cfg changed'), now.includes('lib/large.cfg changed')],
      [before + 2, true, true],
    )
  }
})

test('files that are missing, replaced or of another mode are found, and links that lead elsewhere', async (context) => {
  const prefix = await stage(context, { readOnly: true })
  for (const folder of ['bin', 'etc', 'lib']) chmodSync(`${prefix}/${folder}`, 0o755)
  rmSync(`${prefix}/etc/both.cfg`)
  rmSync(`${prefix}/bin/link`)
  symlinkSync(`${ORIGINAL}/bin/python`, `${prefix}/bin/link`)
  rmSync(`${prefix}/bin/second`)
  writeFileSync(`${prefix}/bin/second`, 'other', { mode: 0o555 })
  rmSync(`${prefix}/lib/tool.bin`)
  mkdirSync(`${prefix}/lib/tool.bin`)
  chmodSync(`${prefix}/lib/large.cfg`, 0o644)
  truncateSync(`${prefix}/lib/large.cfg`, 10)
  chmodSync(`${prefix}/lib/large.cfg`, 0o444)
  assert.deepEqual(await found(prefix), [
    'bin mode',
    'bin/link changed',
    'bin/link prefix',
    'bin/second changed',
    'etc mode',
    'etc/both.cfg missing',
    'lib mode',
    'lib/large.cfg changed',
    'lib/tool.bin changed',
    'share/old.gz prefix harmless',
  ])
})

test("a user's changes in a writable stage are listed as harmless, unless they lead to the original", async (context) => {
  const prefix = await stage(context, { tree: { 'bin/tool': { content: 'x' }, 'lib/a.py': { content: 'y' } } })
  writeFileSync(`${prefix}/bin/tool`, 'changed')
  rmSync(`${prefix}/lib/a.py`)
  mkdirSync(`${prefix}/lib/new`)
  writeFileSync(`${prefix}/lib/new/script`, `#!${REAL}/bin/python`)
  writeFileSync(`${prefix}/lib/new/README.md`, `see ${ORIGINAL}`)
  symlinkSync(ORIGINAL, `${prefix}/lib/new/link`)
  assert.deepEqual((await found(prefix)).sort(), [
    'bin/tool changed harmless',
    'lib/a.py missing harmless',
    'lib/new added harmless',
    'lib/new/README.md added harmless',
    'lib/new/README.md prefix harmless',
    'lib/new/link added harmless',
    'lib/new/link prefix',
    'lib/new/script added harmless',
    'lib/new/script prefix',
  ])
})

test('verifying needs only the stage, neither the archive nor the original', async (context) => {
  const prefix = await stage(context)
  rmSync(`${dirname(dirname(prefix))}/env.tar.zst`)
  assert.deepEqual(await found(prefix), ['share/old.gz prefix harmless'])
  renameSync(prefix, `${prefix}.moved`)
  await assert.rejects(verifyStage(`${prefix}.moved`), { code: 'NOT_STAGED' })
})

test('verifying that is cancelled ends with the error CANCELLED', async (context) => {
  const tree = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`f${n}`, { content: 'x' }]))
  const prefix = await stage(context, { tree })
  await assert.rejects(verifyStage(prefix, { signal: AbortSignal.abort('SIGINT') }), { code: 'CANCELLED' })
})
