/** Environments that are nested so deeply that their paths are nearly as long as a path can be, or longer. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { listing, run, succeed, temporaryFolder, type World } from '../cli/world.ts'

/** One step after the other: no call takes the whole of a path that is too long. */
const NEST = `
import os, sys
prefix, depth, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.chdir(prefix)
for _ in range(depth):
    os.mkdir(name)
    os.chdir(name)
open("file", "w").write(prefix + "/lib\\n")
os.symlink("file", "link")`

function nestedWorld(context: TestContext, depth: number, name: string): World {
  const root = temporaryFolder(context)
  const prefix = `${root}/home/me/miniconda3/envs/my`
  mkdirSync(`${prefix}/conda-meta`, { recursive: true })
  mkdirSync(`${root}/local`)
  writeFileSync(`${prefix}/conda-meta/history`, '')
  execFileSync('python3', ['-c', NEST, prefix, String(depth), name])
  const env = { HOME: `${root}/home/me`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  return { root, prefix, name: 'my', archive: `${prefix}.tar.zst`, local: `${root}/local`, env }
}

const DEPTH = 300

test('300 nested folders, in a path of nearly 4,000 bytes, are packed, staged, verified and removed', async (context) => {
  const place = nestedWorld(context, DEPTH, 'd'.repeat(12))
  const before = listing(place.prefix)
  for (const isFirst of [true, false]) {
    const { stdout, stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
    assert.equal(/Packaging/.test(stderr), isFirst, stderr)
    const prefix = stdout.trimEnd()
    assert.equal(readFileSync(`${prefix}/${`${'d'.repeat(12)}/`.repeat(DEPTH)}link`, 'utf8'), `${prefix}/lib\n`)
    await succeed(place, ['--verify', `--prefix=${prefix}`])
    await succeed(place, ['--unstage', `--prefix=${prefix}`])
    assert.deepEqual(readdirSync(place.local), [])
  }
  await succeed(place, ['--verify', `--prefix=${place.prefix}`])
  assert.deepEqual(listing(place.prefix), before)
})

test('a path in an environment that is longer than a path can be is an error that names it and says what helps', async (context) => {
  const place = nestedWorld(context, DEPTH, 'd'.repeat(14))
  const inner = `${place.prefix}/${'d'.repeat(14)}`
  for (const args of [['--pack'], [`--path=${place.local}`]]) {
    const { status, stderr } = await run(place, [...args, `--prefix=${place.prefix}`])
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`ERROR: ${inner}/.* can't be read: its path is too long\n {7}.* shorter`))
    assert.deepEqual(readdirSync(place.local), [])
  }
  execFileSync('rm', ['-r', inner])
})
