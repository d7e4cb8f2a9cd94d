/** The copy of an image on a node: one file, which is a stage as any other. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { pack, type StageOptions, stage, unstage } from '../../src/index.ts'
import { listCopies } from '../../src/pipeline/copies.ts'
import { copiedWorld, run, succeed, type World } from '../cli/world.ts'

const options = ({ prefix, local, env }: World): StageOptions => ({ prefix, path: local, env, form: 'image' })

test('the copy of an image has all of its bytes, is one file, and is shared, listed, checked and given back as any stage', async (context) => {
  const world = await copiedWorld(context)
  const { archive } = await pack({ prefix: world.prefix, env: world.env, format: 'sqfs' })
  const first = await stage(options(world))
  assert.equal(first.archive, archive)
  assert.equal(basename(first.prefix), 'myjupyter.sqfs')
  assert.ok(readFileSync(first.prefix).equals(readFileSync(archive)))
  assert.equal(lstatSync(first.prefix).mode & 0o7777, 0o400)
  assert.deepEqual([first.files, first.bytes], [1, statSync(archive).size])
  const session = { caller: { env: world.env, session: process.ppid } }
  const second = await stage({ ...options(world), ...session })
  assert.deepEqual([second.prefix, second.others], [first.prefix, 1])
  const listed = await listCopies({ path: world.local, env: world.env })
  assert.deepEqual(
    listed.map(({ prefix, form, bytes }) => [prefix, form, bytes]),
    [[first.prefix, 'image', first.bytes]],
  )
  assert.match((await succeed(world, ['--verify', `--prefix=${first.prefix}`])).stderr, /is sound: \d+ files/)
  assert.ok('users' in (await unstage({ prefix: first.prefix, lease: first.lease })).kept!)
  assert.equal((await unstage({ prefix: first.prefix, ...session })).kept, undefined)
  assert.deepEqual(readdirSync(world.local), [])
})

test('a copy of an image is none of the environment’s files, and neither stands in for the other', async (context) => {
  const world = await copiedWorld(context)
  const tree = await stage({ ...options(world), form: 'tree' })
  const image = await stage(options(world))
  assert.notEqual(dirname(tree.prefix), dirname(image.prefix))
  assert.equal((await stage({ ...options(world), form: 'tree' })).prefix, tree.prefix)
  assert.equal((await stage(options(world))).prefix, image.prefix)
  for (const { prefix } of [tree, image]) await unstage({ prefix, force: true })
})

test('a copy of an outdated image is not used: the next stage has the environment as it is now', async (context) => {
  const world = await copiedWorld(context)
  const old = await stage(options(world))
  writeFileSync(`${world.prefix}/conda-meta/history`, 'another package')
  const now = await stage(options(world))
  assert.notEqual(now.prefix, old.prefix)
  assert.ok(!readFileSync(now.prefix).equals(readFileSync(old.prefix)))
  for (const { prefix } of [old, now]) await unstage({ prefix })
})

test('a copy of an image that was cut is found, and another one is made', async (context) => {
  const world = await copiedWorld(context)
  const warnings: string[] = []
  const cut = await stage(options(world))
  await unstage({ prefix: cut.prefix })
  const again = await stage({ ...options(world), keepMinutes: 60 })
  await unstage({ prefix: again.prefix })
  chmodSync(again.prefix, 0o600)
  truncateSync(again.prefix, again.bytes - 1)
  const next = await stage({
    ...options(world),
    onProgress: (event) => event.kind === 'warning' && warnings.push(event.message),
  })
  assert.equal(statSync(next.prefix).size, again.bytes)
  assert.match(warnings.join(), /is damaged: the image is gone or changed/)
  await unstage({ prefix: next.prefix })
})

test('an image with a changed byte is not copied: it is made again, once', async (context) => {
  const world = await copiedWorld(context)
  const { archive } = await pack({ prefix: world.prefix, env: world.env, format: 'sqfs' })
  const bytes = readFileSync(archive)
  const changed = Buffer.from(bytes)
  changed[bytes.length >> 2]! ^= 1
  writeFileSync(archive, changed)
  const copy = await stage(options(world))
  assert.deepEqual((await run(world, ['--verify', `--output=${copy.prefix}`])).status, 0)
  assert.ok(readFileSync(copy.prefix).equals(readFileSync(archive)))
  await unstage({ prefix: copy.prefix })
})

test('a stage of an image that is cancelled leaves nothing on the local disk', async (context) => {
  const world = await copiedWorld(context)
  await pack({ prefix: world.prefix, env: world.env, format: 'sqfs' })
  const controller = new AbortController()
  const signal = controller.signal
  const onProgress: StageOptions['onProgress'] = (event) => {
    if (event.kind === 'info' && event.message.startsWith('Copying the image')) controller.abort('enough')
  }
  await assert.rejects(stage({ ...options(world), signal, onProgress }), { code: 'CANCELLED' })
  assert.deepEqual(readdirSync(world.local), [])
  assert.ok(existsSync(`${world.prefix}.sqfs`))
})
