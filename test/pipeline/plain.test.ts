import assert from 'node:assert/strict'
import { chmodSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { type StageOptions, stage, unstage, verify } from '../../src/index.ts'
import { listCopies } from '../../src/pipeline/copies.ts'
import { copiedWorld, type World } from '../cli/world.ts'

const options = ({ prefix, local, env }: World): StageOptions => ({ prefix, path: local, env })

/** Larger than a frame, so that its pieces are written by several threads. */
const large = (prefix: string): string => `prefix = ${prefix}\n${'#'.repeat(1000)}\n`.repeat(20_000)

/** Files that the relocator would change in each of its ways. */
function addFilesWithPrefix({ prefix }: World): void {
  writeFileSync(`${prefix}/etc/small.cfg`, `home = ${prefix}/lib\n`)
  writeFileSync(`${prefix}/etc/large.cfg`, large(prefix))
  symlinkSync(`${prefix}/etc/small.cfg`, `${prefix}/etc/absolute`)
  symlinkSync('../../../../x', `${prefix}/etc/outward`)
}

function assertUnrelocated({ prefix }: World, copy: string): void {
  for (const path of ['etc/small.cfg', 'etc/large.cfg'])
    assert.ok(readFileSync(`${copy}/${path}`).equals(readFileSync(`${prefix}/${path}`)), path)
  for (const path of ['etc/absolute', 'etc/outward'])
    assert.equal(readlinkSync(`${copy}/${path}`), readlinkSync(`${prefix}/${path}`), path)
}

test('in a plain copy every byte is as in the original, whether it is made while packing or from an archive', async (context) => {
  const world = await copiedWorld(context)
  addFilesWithPrefix(world)
  for (let times = 0; times < 2; times++) {
    const { prefix } = await stage({ ...options(world), form: 'plain' })
    assertUnrelocated(world, prefix)
    assert.deepEqual((await verify({ prefix })).findings, [])
    await unstage({ prefix })
  }
})

test('--verify finds a changed file in a plain copy', async (context) => {
  const world = await copiedWorld(context)
  addFilesWithPrefix(world)
  const { prefix } = await stage({ ...options(world), form: 'plain' })
  chmodSync(`${prefix}/etc/small.cfg`, 0o644)
  writeFileSync(`${prefix}/etc/small.cfg`, `home = ${prefix}/lib\n`)
  chmodSync(`${prefix}/etc/small.cfg`, 0o444)
  const { findings } = await verify({ prefix })
  assert.deepEqual(
    findings.map(({ path, kind, harmless }) => [path, kind, harmless]),
    [['etc/small.cfg', 'changed', false]],
  )
  await unstage({ prefix })
})

test('a plain and a relocated copy of an environment lie beside each other, and each is shared by those who want its form', async (context) => {
  const world = await copiedWorld(context)
  const tree = await stage(options(world))
  const plain = await stage({ ...options(world), form: 'plain' })
  assert.notEqual(plain.prefix, tree.prefix)
  assert.equal((await stage({ ...options(world), form: 'plain' })).prefix, plain.prefix)
  assert.equal((await stage(options(world))).prefix, tree.prefix)
  const copies = await listCopies({ path: world.local, env: world.env })
  assert.deepEqual(
    new Map(copies.map(({ prefix, form }) => [prefix, form])),
    new Map([
      [tree.prefix, 'tree'],
      [plain.prefix, 'plain'],
    ]),
  )
  for (const { prefix } of [tree, tree, plain, plain]) await unstage({ prefix })
})
