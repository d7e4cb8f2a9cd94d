import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as library from '../../src/index.ts'
import { fails, listing, run, succeed, temporaryFolder, type World } from '../cli/world.ts'

/** An environment by hand, since conda itself makes none with such names. */
function worldOf(context: TestContext, name: string): World {
  const root = temporaryFolder(context)
  const prefix = `${root}/home/me/envs/${name}`
  for (const folder of ['bin', 'lib', 'conda-meta']) mkdirSync(`${prefix}/${folder}`, { recursive: true })
  writeFileSync(`${prefix}/conda-meta/history`, '')
  writeFileSync(`${prefix}/lib/conf`, `${prefix}/bin\n`)
  mkdirSync(`${root}/local`)
  const env = { HOME: `${root}/home/me`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  return { root, prefix, name, archive: `${prefix}.tar.zst`, local: `${root}/local`, env }
}

const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`, '--private']
const LONGEST = 255

for (const length of [235, 242, 248, LONGEST]) {
  test(`an environment whose name has ${length} bytes is packed once, staged, verified and unstaged`, async (context) => {
    const place = worldOf(context, 'é'.repeat(10) + 'n'.repeat(length - 20))
    const before = listing(place.prefix)
    for (const isFirst of [true, false]) {
      const { stdout, stderr } = await succeed(place, stage(place))
      assert.equal(/Packaging/.test(stderr), isFirst, stderr)
      assert.doesNotMatch(stderr, /WARNING/)
      const prefix = stdout.trimEnd()
      assert.equal(readFileSync(`${prefix}/lib/conf`, 'utf8'), `${prefix}/bin\n`)
      const { findings } = await library.verify({ prefix })
      assert.ok(findings.every(({ harmless }) => harmless))
      await succeed(place, ['--unstage', `--prefix=${prefix}`])
    }
    assert.deepEqual(readdirSync(place.local), [])
    assert.deepEqual(
      readdirSync(dirname(place.prefix)).filter((name) => name.startsWith('.')),
      [],
    )
    assert.deepEqual(listing(place.prefix), before)
  })
}

test('an archive with the longest name that a file can have is written, found again and replaced', async (context) => {
  const place = worldOf(context, 'myenv')
  const output = `${place.root}/${'a'.repeat(LONGEST - '.tar.zst'.length)}.tar.zst`
  const pack = ['--pack', `--prefix=${place.prefix}`, `--output=${output}`]
  await succeed(place, pack)
  assert.match((await succeed(place, pack)).stderr, /up to date/)
  await succeed(place, [...pack, '--force'])
  assert.deepEqual(
    readdirSync(place.root).filter((name) => name.startsWith('.')),
    [],
  )
})

test('files and links with the longest names and targets are in the copy', async (context) => {
  const place = worldOf(context, 'myenv')
  const long = 'l'.repeat(LONGEST)
  writeFileSync(`${place.prefix}/lib/${long}`, `${place.prefix}/lib\n`)
  mkdirSync(`${place.prefix}/lib/${'d'.repeat(LONGEST)}`)
  symlinkSync(`${place.prefix}/${'x/'.repeat(1900)}`, `${place.prefix}/lib/link`)
  // Shorter, as long, and longer than the original.
  const deeper = `${place.local}/${'p'.repeat(60)}`
  mkdirSync(deeper)
  for (const local of [place.local, deeper]) {
    const { stdout } = await succeed(place, stage({ ...place, local }))
    const prefix = stdout.trimEnd()
    assert.equal(readFileSync(`${prefix}/lib/${long}`, 'utf8'), `${prefix}/lib\n`)
  }
})

test('a name that no file can have is an error of that name', async (context) => {
  const place = worldOf(context, 'myenv')
  const long = 'x'.repeat(LONGEST + 1)
  const hint = /./
  await fails(place, [`--prefix=${place.prefix}${long}`], { code: 'UNREADABLE', path: long, hint })
  await fails(place, ['--pack', `--prefix=${place.prefix}`, `--output=${place.root}/${long}`], {
    code: 'ARCHIVE_UNWRITABLE',
    path: long,
    says: 'its name is too long',
    hint,
  })
  const path = `${place.root}/${long}`
  await fails(place, [`--prefix=${place.prefix}`, `--path=${path}`], { code: 'TARGET_UNWRITABLE', path, hint })
  // The link's target is too long for a copy at a longer path.
  symlinkSync(
    `${place.prefix}/${'x/'.repeat(Math.floor((4095 - place.prefix.length) / 2) - 1)}`,
    `${place.prefix}/lib/l`,
  )
  const deeper = `${place.local}/${'p'.repeat(60)}`
  mkdirSync(deeper)
  const { status, stderr } = await run(place, stage({ ...place, local: deeper }))
  assert.equal(status, 1, stderr)
  assert.match(stderr, new RegExp(`ERROR: ${deeper}/conda-stage_.*/lib/l can't be written: its path is too long`))
  assert.deepEqual(readdirSync(deeper), [])
})
