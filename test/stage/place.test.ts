import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ArchivedEntry } from '../../src/model/archive-index.ts'
import type { LocalFolder } from '../../src/platform/local-disk.ts'
import { composePlace, contentsOf, placeFor, wantedLength, withNewPlace } from '../../src/stage/place.ts'
import { temporaryFolder } from './small-archive.ts'

const uid = process.getuid!()
const local = (path: string, more: Partial<LocalFolder> = {}) => ({ path, real: path, created: false, ...more })

test('the staged prefix has exactly the wanted length, from the shortest to the longest path', () => {
  for (const base of ['/', '/tmp', '/scratch/mé'])
    for (let length = Buffer.byteLength(composePlace(base, 'my env', 0).prefix); length <= 1500; length++) {
      const { folder, prefix } = composePlace(base, 'my env', length)
      assert.equal(Buffer.byteLength(prefix), length)
      assert.match(prefix, /\/conda-stage_[A-Za-z0-9]{4,243}(\/[A-Za-z0-9]{1,255})*\/my env$/)
      assert.ok(prefix.startsWith(`${folder}/`) && prefix.startsWith(base))
    }
})

test('if the original prefix is too short to match, the staged prefix is as short as possible', () => {
  for (const length of [0, 5, 25])
    assert.match(composePlace('/tmp', 'env', length).prefix, /^\/tmp\/conda-stage_\w{4}\/env$/)
})

test('two stages that are not shared have different names', () => {
  assert.notEqual(composePlace('/tmp', 'env', 40).folder, composePlace('/tmp', 'env', 40).folder)
})

test('a shared stage has the same path on every node, and another one for another user, environment or archive', () => {
  const path = (contents: string) => composePlace('/scratch/me', 'env', 700, contents).prefix
  const [uid, real, created] = [1000, '/home/me/envs/env', '2026-11-27T12:00:00.000Z']
  assert.equal(path(contentsOf(real, created, uid)), path(contentsOf(real, created, uid)))
  const others = [
    contentsOf(real, created, 1001),
    contentsOf(`${real}2`, created, uid),
    contentsOf(real, '2026-11-27T12:00:00.001Z', uid),
  ]
  assert.equal(new Set([contentsOf(real, created, uid), ...others].map(path)).size, 4)
})

test('if something has the path of a shared stage, it stays as it is, and the stage gets another path, or none if only that one will do', async (context) => {
  const base = temporaryFolder(context)
  const wanted = { local: local(base), name: 'env', length: 300, uid, contents: contentsOf('/env', 'now', uid) }
  const { folder, prefix } = placeFor(wanted)
  const things: Record<string, () => void> = {
    'a file': () => writeFileSync(folder, 'mine'),
    'a folder': () => mkdirSync(`${folder}/mine`, { recursive: true }),
    'a link that leads nowhere': () => symlinkSync('/nowhere', folder),
    'a link to a folder': () => symlinkSync(base, folder),
  }
  for (const [what, put] of Object.entries(things)) {
    put()
    const before = lstatSync(folder).ino
    const made = await withNewPlace(wanted, async (place) => place)
    assert.notEqual(made.folder, folder, what)
    assert.equal(Buffer.byteLength(made.prefix), 300)
    const only = withNewPlace({ ...wanted, only: { folder, prefix } }, async () => {})
    await assert.rejects(only, { name: 'StageError', code: 'TARGET_UNSAFE', path: folder })
    assert.equal(lstatSync(folder).ino, before, what)
    rmSync(folder, { recursive: true })
    rmSync(made.folder, { recursive: true })
    assert.deepEqual(readdirSync(base), [], what)
  }
  assert.deepEqual(await withNewPlace(wanted, async (place) => place), { folder, prefix })
})

test('the staged prefix gets the length of the prefix, logical or real, that occurs more often', () => {
  const file = (prefix: number): ArchivedEntry => ({
    type: 'file',
    path: String(prefix),
    mode: 0,
    mtimeNs: 0n,
    size: 1,
    frame: 0,
    frameOffset: 0,
    digest: '',
    relocation: { kind: 'text', occurrences: [{ offset: 0, prefix, encoding: 'utf8' }] },
  })
  const prefixes = ['/hôme/env', '/gpfs/real/env']
  assert.equal(wantedLength({ prefixes, entries: [file(0), file(1), file(1)] }), 14)
  assert.equal(wantedLength({ prefixes, entries: [file(0), file(0), file(1)] }), 10)
  assert.equal(wantedLength({ prefixes, entries: [] }), 10)
})

test('only its user can enter the folder of a stage, even in a folder that is open to all', async (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/shared`, { mode: 0o777 })
  await withNewPlace({ local: local(`${base}/shared`), name: 'env', length: 600, uid }, async ({ folder, prefix }) => {
    const facts = lstatSync(folder)
    assert.deepEqual([facts.uid, facts.mode & 0o777], [uid, 0o700])
    mkdirSync(prefix)
    assert.equal(Buffer.byteLength(prefix), 600)
  })
})

test('a stage that fails leaves nothing behind, not even a folder that was made for --path', async (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/made`)
  const failing = withNewPlace(
    { local: local(`${base}/made`, { created: true }), name: 'env', length: 300, uid },
    async ({ folder, prefix }) => {
      mkdirSync(prefix, { mode: 0o500 })
      writeFileSync(`${folder}/file`, '')
      throw new Error('the reason')
    },
  )
  await assert.rejects(failing, /the reason/)
  assert.deepEqual(readdirSync(base), [])
})

test('a full disk or quota is reported as such, with the folder', async (context) => {
  const base = temporaryFolder(context)
  for (const code of ['ENOSPC', 'EDQUOT']) {
    const failing = withNewPlace({ local: local(base), name: 'env', length: 300, uid }, async () => {
      throw Object.assign(new Error('write'), { code })
    })
    await assert.rejects(failing, { name: 'StageError', code: 'NO_SPACE', path: base })
  }
})

test('a symbolic link to the local folder is used if only it is short enough', async (context) => {
  const base = temporaryFolder(context)
  const real = `${base}/a-folder-with-a-long-name`
  mkdirSync(real)
  symlinkSync(real, `${base}/s`)
  const folder = local(`${base}/s`, { real })
  const prefixFor = (length: number) =>
    withNewPlace({ local: folder, name: 'env', length, uid }, async ({ prefix }) => prefix)
  const short = Buffer.byteLength(`${base}/s/conda-stage_AAAA/env`)
  assert.ok((await prefixFor(short)).startsWith(`${base}/s/`))
  assert.ok((await prefixFor(short + 100)).startsWith(real))
  // Too short for either.
  assert.ok((await prefixFor(short - 1)).startsWith(real))
  assert.equal(existsSync(real), true)
  assert.equal(statSync(`${base}/s`).isDirectory(), true)
})

test('an environment with a colon in its name is refused, because PATH could not hold its copy', async (context) => {
  const base = temporaryFolder(context)
  const failing = withNewPlace({ local: local(base), name: 'a:b', length: 300, uid }, async () => {})
  await assert.rejects(failing, { name: 'StageError', message: /a:b can't be staged: PATH can't hold/ })
  assert.deepEqual(readdirSync(base), [])
})

test('an environment with the name of a file that a stage keeps for itself is refused, and the message names it', async (context) => {
  const base = temporaryFolder(context)
  const failing = withNewPlace({ local: local(base), name: 'stage.json', length: 300, uid }, async () => {})
  await assert.rejects(failing, { name: 'StageError', message: /stage\.json/ })
  assert.deepEqual(readdirSync(base), [])
})
