/** Environments that have scripts of their own under the names of those that archives carry. */
import assert from 'node:assert/strict'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import type { ArchiveFormat } from '../../src/model/archive-index.ts'
import { stageOf, succeed, type World, world } from '../cli/world.ts'
import { condaPack } from './conda-pack.ts'
import { end, output, unpack } from './support.ts'

/** As conda, a virtual environment or an unpacked archive leaves them. */
async function withOwnScripts(context: TestContext): Promise<World> {
  const place = await world(context)
  const { prefix } = place
  writeFileSync(`${prefix}/bin/activate`, `. "${prefix}/etc/profile.d/conda.sh" || return $?\n`, { mode: 0o755 })
  writeFileSync(`${prefix}/bin/deactivate`, 'exit 3\n')
  writeFileSync(`${prefix}/bin/conda-unpack`, '#!/bin/sh\necho of before\nexit 4\n', { mode: 0o755 })
  symlinkSync(`${prefix}/bin/activate`, `${prefix}/bin/activate.fish`)
  linkSync(`${prefix}/bin/conda-unpack`, `${prefix}/bin/linked`)
  return place
}

async function packInto(place: World, name: string, ...args: string[]): Promise<string> {
  const file = `${place.root}/${name}`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${file}`, ...args])
  return file
}

/** Follows the documented steps. */
async function assertDocumented(unpacked: string): Promise<void> {
  const code = `set -e; . '${unpacked}/bin/activate'; conda-unpack; greet --prefix; . deactivate; echo "[\${CONDA_PREFIX-}]"`
  assert.equal(await output('bash', ['-c', code], { env: { PATH: '/usr/bin:/bin' } }), `${unpacked}\n[]\n`)
  const fish = `source '${unpacked}/bin/activate.fish'; greet --prefix; deactivate`
  assert.equal(await output('fish', ['-c', fish], { env: { PATH: '/usr/bin:/bin' } }), `${unpacked}\n`)
}

for (const format of ['tar.zst', 'tar.gz', 'tar', 'zip'] satisfies ArchiveFormat[]) {
  test(`a ${format} has the documented scripts, and keeps those of the environment under other names`, async (context) => {
    const place = await withOwnScripts(context)
    const file = await packInto(place, `a.${format}`)
    renameSync(place.prefix, `${place.prefix}.away`)
    const there = `${place.root}/x`
    await unpack(file, format, there)
    await assertDocumented(there)
    assert.equal(
      readFileSync(`${there}/bin/activate.own`, 'utf8'),
      `. "${there}/etc/profile.d/conda.sh" || return $?\n`,
    )
    assert.equal(statSync(`${there}/bin/activate.own`).mode & 0o777, 0o755)
    assert.equal(readFileSync(`${there}/bin/deactivate.own`, 'utf8'), 'exit 3\n')
    assert.deepEqual(
      [(await end(`${there}/bin/conda-unpack.own`, [])).status, (await end(`${there}/bin/linked`, [])).status],
      [4, 4],
    )
    if (format !== 'zip')
      assert.equal(statSync(`${there}/bin/linked`).ino, statSync(`${there}/bin/conda-unpack.own`).ino)
    assert.equal(await output('readlink', [`${there}/bin/activate.fish.own`]), `${there}/bin/activate\n`)
  })
}

test('packing says under which names an archive keeps scripts of the environment, and a copy has them as they are', async (context) => {
  const place = await withOwnScripts(context)
  const { stderr } = await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const names = ['activate', 'activate.fish', 'conda-unpack', 'deactivate'].map(
    (name) => `bin/${name} as bin/${name}.own`,
  )
  assert.ok(stderr.includes(`keeps the environment's ${names.join(', ')}\n`), stderr)
  const staged = await stageOf(place)
  assert.equal(readFileSync(`${staged}/bin/activate`, 'utf8'), `. "${staged}/etc/profile.d/conda.sh" || return $?\n`)
  assert.equal((await end(`${staged}/bin/conda-unpack`, [])).status, 4)
  assert.equal((await output('ls', [`${staged}/bin`])).includes('.own'), false)
})

test('an archive that takes over parts of an older one keeps the documented scripts', async (context) => {
  const place = await withOwnScripts(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  writeFileSync(`${place.prefix}/bin/new`, 'new\n')
  writeFileSync(`${place.prefix}/bin/deactivate`, 'exit 5 # longer\n')
  const { stderr } = await succeed(place, ['--pack', '--verbose', `--prefix=${place.prefix}`])
  assert.match(stderr, /Reused/)
  await unpack(place.archive, 'tar.zst', `${place.root}/x`)
  assert.equal(readFileSync(`${place.root}/x/bin/deactivate.own`, 'utf8'), 'exit 5 # longer\n')
  await assertDocumented(`${place.root}/x`)
})

test('scripts of the environment that have the other names already are kept too', async (context) => {
  const place = await withOwnScripts(context)
  writeFileSync(`${place.prefix}/bin/activate.own`, 'first\n')
  writeFileSync(`${place.prefix}/bin/activate.own.own`, 'second\n')
  await unpack(await packInto(place, 'a.tar'), 'tar', `${place.root}/x`)
  const own = (name: string) => readFileSync(`${place.root}/x/bin/${name}`, 'utf8')
  assert.deepEqual([own('activate.own.own'), own('activate.own.own.own')], ['first\n', 'second\n'])
  assert.match(own('activate.own'), /profile\.d/)
  await assertDocumented(`${place.root}/x`)
})

test('an unpacked archive of ours can be packed again and again, and its scripts keep their names', async (context) => {
  const place = await world(context)
  let prefix = place.prefix
  for (const generation of [1, 2, 3]) {
    const file = `${place.root}/${generation}.tar`
    writeFileSync(`${prefix}/share/later`, `${prefix}/lib\n`)
    const { stderr } = await succeed(place, ['--pack', `--prefix=${prefix}`, `--output=${file}`])
    assert.doesNotMatch(stderr, /\.own/)
    prefix = `${place.root}/unpacked-${generation}`
    await unpack(file, 'tar', prefix)
    await assertDocumented(prefix)
    assert.equal(readFileSync(`${prefix}/share/later`, 'utf8'), `${prefix}/lib\n`)
  }
  assert.equal((await readIndex(`${place.root}/3.tar`)).entries.filter(({ path }) => path.endsWith('.own')).length, 0)
})

test("an environment from an archive of conda-pack's is packed with the documented scripts", async (context) => {
  const place = await world(context)
  await condaPack(place.prefix, `${place.root}/theirs.tar`)
  const theirs = `${place.root}/theirs/env`
  mkdirSync(theirs, { recursive: true })
  await unpack(`${place.root}/theirs.tar`, 'tar', theirs)
  await output('bash', ['-c', `. '${theirs}/bin/activate' && conda-unpack`])
  await succeed(place, ['--pack', `--prefix=${theirs}`, `--output=${place.root}/ours.zip`])
  await unpack(`${place.root}/ours.zip`, 'zip', `${place.root}/x`)
  rmSync(theirs, { recursive: true })
  await assertDocumented(`${place.root}/x`)
})

test('with --dest-prefix the scripts to activate are the documented ones, and there is nothing to unpack', async (context) => {
  const place = await withOwnScripts(context)
  const file = await packInto(place, 'a.tar', `--dest-prefix=${place.root}/x`)
  renameSync(place.prefix, `${place.prefix}.away`)
  await unpack(file, 'tar', `${place.root}/x`)
  const code = `. '${place.root}/x/bin/activate'; greet --prefix`
  assert.equal(await output('bash', ['-euc', code], { env: { PATH: '/usr/bin:/bin' } }), `${place.root}/x\n`)
  assert.equal((await end(`${place.root}/x/bin/conda-unpack`, [])).stdout, 'of before\n')
})
