/** Archives that conda-pack made, staged without conda-pack. */
import assert from 'node:assert/strict'
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'node:test'
import { fails, succeed, world } from '../cli/world.ts'
import { condaPack } from './conda-pack.ts'
import { digest, output } from './support.ts'

for (const format of ['tar.gz', 'tar.zst', 'tar.bz2', 'tar.xz', 'tar', 'zip'] as const) {
  test(`a ${format} made by conda-pack and named by --output is staged, and stays unchanged`, async (context) => {
    const place = await world(context, { byHand: true })
    const file = `${place.root}/theirs.${format}`
    await condaPack(place.prefix, file, ...(format === 'zip' ? ['--zip-symlinks'] : []))
    const before = digest(file)
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
    const { stdout, stderr } = await succeed(place, args)
    assert.match(stderr, /theirs\.\S+ was made by conda-pack \(20\S+Z\); conda has changed nothing since/)
    assert.match(stderr, /INFO: Unpacking\nINFO: Total 'conda-unpack' time: \d+ seconds?\n/)
    const staged = stdout.trimEnd()
    assert.equal(digest(file), before)
    await succeed(place, ['--verify', `--prefix=${staged}`])
    renameSync(place.prefix, `${place.prefix}.away`)
    assert.equal(await output(`${staged}/bin/greet`, ['--prefix']), `${staged}\n`)
    assert.equal(await output(`${staged}/bin/greet`, ['--library-prefix']), `${staged}\n`)
    assert.equal(await output(`${staged}/bin/by-hand`, []), `${staged}\nHello from the environment\n`)
    assert.equal(readFileSync(`${staged}/share/by-hand/pair-2`, 'utf8'), `${staged}\n`)
    renameSync(`${place.prefix}.away`, place.prefix)

    // It is converted into an archive of ours only once.
    const again = await succeed(place, args)
    assert.doesNotMatch(again.stderr, /Unpacking/)
    assert.equal(readdirSync(`${place.root}/cache/conda-stage`).filter((name) => name.includes('conda-pack')).length, 1)
  })
}

test("what was converted from conda-pack's archive is converted again if it is damaged, with a warning", async (context) => {
  const place = await world(context)
  const file = `${place.root}/theirs.tar`
  await condaPack(place.prefix, file)
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`, '--private']
  await succeed(place, args)
  const cache = `${place.root}/cache/conda-stage`
  const converted = `${cache}/${readdirSync(cache).find((name) => name.includes('conda-pack'))}`
  for (const at of [3000, statSync(converted).size - 100]) {
    const bytes = readFileSync(converted)
    bytes[at]! ^= 1
    writeFileSync(converted, bytes)
    const { stdout, stderr } = await succeed(place, args)
    assert.match(stderr, /WARNING: .* is damaged: .*\. Converting the archive of conda-pack again\n/)
    assert.equal(await output(`${stdout.trimEnd()}/bin/greet`, ['--prefix']), `${stdout.trimEnd()}\n`)
    assert.doesNotMatch((await succeed(place, args)).stderr, /Unpacking|damaged/)
  }
})

test('an environment in a folder of a conda-pack archive (--arcroot) is staged', async (context) => {
  const place = await world(context)
  await condaPack(place.prefix, `${place.root}/theirs.tar`, '--arcroot=some/folder')
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${place.root}/theirs.tar`]
  const staged = (await succeed(place, args)).stdout.trimEnd()
  assert.equal(await output(`${staged}/bin/greet`, ['--prefix']), `${staged}\n`)
})

test('a conda-pack archive older than the last change by conda is staged with a warning', async (context) => {
  const place = await world(context)
  const file = `${place.root}/theirs.tar`
  await condaPack(place.prefix, file)
  const later = new Date(Date.now() + 60_000)
  utimesSync(`${place.prefix}/conda-meta/history`, later, later)
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
  const { stderr } = await succeed(place, args)
  assert.match(stderr, /WARNING: \S+theirs\.tar was made by conda-pack .*\/conda-meta\/history is newer/)
})

test('an archive of other packages is refused, and so is a damaged, untrusted or foreign one', async (context) => {
  const place = await world(context)
  const file = `${place.root}/theirs.tar.gz`
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
  await condaPack(place.prefix, file)
  writeFileSync(`${place.prefix}/conda-meta/new-1-0.json`, '{"name": "new", "version": "1", "build": "0"}')
  const other = /Make it again with conda-pack/
  await fails(place, args, { code: 'ARCHIVE_OTHER_ENVIRONMENT', path: file, says: 'other packages', hint: other })
  rmSync(`${place.prefix}/conda-meta/new-1-0.json`)

  rmSync(`${place.root}/cache`, { recursive: true })
  truncateSync(file, Math.floor(statSync(file).size / 2))
  await fails(place, args, { code: 'ARCHIVE_DAMAGED', path: file, says: "can't be read", hint: other })

  writeFileSync(file, readFileSync(file), { mode: 0o600 })
  await output('chmod', ['g+w', file])
  await fails(place, args, { code: 'ARCHIVE_UNTRUSTED', path: file, hint: 'chmod go-w' })

  await output('chmod', ['g-w', file])
  await output('tar', ['-czf', file, '-C', place.root, 'home'])
  await fails(place, args, { code: 'ARCHIVE_FOREIGN', path: file, hint: 'It is left alone' })
})

test("an archive of conda-pack's beside the environment is never touched", async (context) => {
  const place = await world(context)
  await condaPack(place.prefix, `${place.prefix}.tar.gz`)
  const before = digest(`${place.prefix}.tar.gz`)
  await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  assert.ok(existsSync(`${place.prefix}.tar.zst`))
  await succeed(place, ['--pack', '--format=tar.gz', `--prefix=${place.prefix}`])
  assert.equal(digest(`${place.prefix}.tar.gz`), before)
})

test('an archive with a member whose path leads out of it is refused', async (context) => {
  const place = await world(context)
  const file = `${place.root}/theirs.tar`
  await condaPack(place.prefix, file)
  await output('tar', ['--append', '-P', `--transform=s,.*,../../evil,`, '-f', file, '/etc/hostname'])
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
  await fails(place, args, {
    code: 'ARCHIVE_DAMAGED',
    path: file,
    says: 'its member ../../evil leads out of it',
    hint: /Make it again/,
  })
})
