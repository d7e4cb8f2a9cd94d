/** The local disk fails while a copy is made or removed. */
import assert from 'node:assert/strict'
import { linkSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ErrorCode } from '../../src/errors.ts'
import * as library from '../../src/index.ts'
import { copiedWorld, fails, run, stageOf, succeed, type World } from '../cli/world.ts'
import { failing } from './failing.ts'

const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]
const unstage = (prefix: string) => ['--unstage', `--prefix=${prefix}`]

async function packed(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  await library.pack({ prefix: place.prefix, env: place.env })
  return place
}

const ANSWERS: [call: string, errno: string, code: ErrorCode, says: string][] = [
  ['symlink', 'EDQUOT', 'NO_SPACE', 'has reached your quota'],
  ['symlink', 'EIO', 'TARGET_UNWRITABLE', "can't be written: the disk or its server failed (EIO)"],
  ['utimensat', 'ENOSPC', 'NO_SPACE', 'ran full while it was written to'],
  ['utimensat', 'EROFS', 'TARGET_UNWRITABLE', "can't be written: the file system is read-only"],
  ['rename', 'ESTALE', 'TARGET_UNWRITABLE', "can't be written: the file server no longer knows it (ESTALE)"],
  ['chmod', 'ENODEV', 'TARGET_UNWRITABLE', "can't be written: the device is gone (ENODEV)"],
]

for (const [call, errno, code, says] of ANSWERS) {
  test(`a local disk that answers ${errno} to ${call} is named by the error, and nothing is left on it`, async (context) => {
    const place = await packed(context)
    const hint = '--path or CONDA_STAGE_PATH'
    await fails(place, stage(place), { code, path: place.local, says, hint }, { inside: failing({ [call]: errno }) })
    await stageOf(place)
  })
}

test('a disk without hard links gets a copy of each file instead, which --verify accepts', async (context) => {
  const place = await copiedWorld(context)
  writeFileSync(`${place.prefix}/share/one`, `${place.prefix}/bin`, { mode: 0o555 })
  linkSync(`${place.prefix}/share/one`, `${place.prefix}/share/two`)
  for (const errno of ['EPERM', 'EMLINK']) {
    const prefix = await stageOf(place, [], { inside: failing({ link: errno }) })
    const [one, two] = ['one', 'two'].map((name) => lstatSync(`${prefix}/share/${name}`))
    assert.notEqual(one!.ino, two!.ino)
    assert.deepEqual([one!.mode, one!.mtimeMs, one!.size], [two!.mode, two!.mtimeMs, two!.size])
    const { stdout } = await succeed(place, ['--verify', `--prefix=${prefix}`])
    assert.doesNotMatch(stdout, /two/)
    await succeed(place, unstage(prefix))
  }
})

for (const call of ['unlink', 'rmdir']) {
  test(`what can't be removed (${call}: EBUSY) is named in a warning, is no copy any more, and goes with the next call`, async (context) => {
    const place = await packed(context)
    const prefix = await stageOf(place)
    const { status, stderr } = await run(place, unstage(prefix), { inside: failing({ [call]: 'EBUSY' }) })
    assert.equal(status, 0, stderr)
    assert.match(
      stderr,
      new RegExp(`WARNING: ${place.local}/\\.conda-stage_.* can't be removed: it is in use \\(EBUSY\\)`),
    )
    assert.equal((await run(place, unstage(prefix))).status, 1)
    const next = await stageOf(place)
    assert.deepEqual(readdirSync(place.local), [dirname(next).slice(place.local.length + 1)])
  })
}

test('if neither the copy can be completed nor its beginning be removed, the error says both', async (context) => {
  const place = await packed(context)
  const inside = failing({ symlink: 'EIO', rmdir: 'EBUSY' })
  const { status, stderr } = await run(place, stage(place), { inside })
  assert.equal(status, 1)
  assert.match(
    stderr,
    /ERROR: .* can't be written: .*\(EIO\)\n.*\n {7}Of what was written, .* can't be removed: .*\(EBUSY\)/,
  )
  const next = await stageOf(place)
  assert.deepEqual(readdirSync(place.local), [dirname(next).slice(place.local.length + 1)])
})

test('a copy whose paths would be too long is an error that names the first of them, before anything is written', async (context) => {
  const place = await copiedWorld(context)
  let local = place.local
  while (local.length < 3900) {
    local += `/${'l'.repeat(Math.min(200, 3900 - local.length))}`
    mkdirSync(local)
  }
  const deep = `share/${'d'.repeat(100)}/${'e'.repeat(80)}`
  mkdirSync(`${place.prefix}/${deep}`, { recursive: true })
  for (const archive of [false, true]) {
    if (archive) await library.pack({ prefix: place.prefix, env: place.env })
    const { status, stderr } = await run(place, [`--prefix=${place.prefix}`, `--path=${local}`])
    assert.equal(status, 1, stderr)
    assert.match(stderr, new RegExp(`ERROR: ${local}/conda-stage_.*/${deep} would be longer than a path can be`))
    assert.match(stderr, /shorter path with --path/)
    assert.deepEqual(readdirSync(local), [])
  }
})
