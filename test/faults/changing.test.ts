/**
 * An environment that another process changes while it is packed. CONDA_STAGE_TEST_CHANGES sets how many times,
 * CONDA_STAGE_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, startCommand, temporaryFolder, type World } from '../cli/world.ts'
import { differences, treeOf } from '../end-to-end/tree.ts'
import { installed } from '../fixtures/installed.ts'
import { contentOf, isOneVersion, LARGE, SMALL } from './changes/versions.ts'
import { Random } from './kills/random.ts'

const TRIALS = Number(process.env.CONDA_STAGE_TEST_CHANGES) || 6
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31

function changingWorld(context: TestContext): World {
  const root = temporaryFolder(context)
  const prefix = `${root}/home/me/miniconda3/envs/my`
  const write = (path: string, data: Buffer | string) => {
    mkdirSync(dirname(`${prefix}/${path}`), { recursive: true })
    writeFileSync(`${prefix}/${path}`, data)
  }
  write('conda-meta/history', '')
  for (let n = 0; n < SMALL; n++) write(`share/d${n % 7}/f${n}`, contentOf(0))
  write('lib/large', contentOf(0, LARGE))
  mkdirSync(`${root}/local`)
  const env = { HOME: `${root}/home/me`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  return { root, prefix, name: 'my', archive: `${prefix}.tar.zst`, local: `${root}/local`, env }
}

/** Runs `body` while another process changes the environment. */
async function whileItChanges<T>({ prefix }: World, random: Random, body: () => Promise<T>): Promise<T> {
  const args = [prefix, random.below(2 ** 30), random.oneOf([10, 200, 1000])].map(String)
  const changer = spawn(process.execPath, [join(import.meta.dirname, 'changes/changer.ts'), ...args], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = once(changer, 'exit')
  try {
    return await body()
  } finally {
    changer.stdin!.end()
    assert.deepEqual(await ended, [0, null])
  }
}

/** Every file is as it was at some moment, and those that were there all the time are there. */
function assertReal(copy: string): void {
  for (const folder of ['lib', ...readdirSync(`${copy}/share`).map((name) => `share/${name}`)]) {
    if (!statSync(`${copy}/${folder}`).isDirectory()) continue
    for (const name of readdirSync(`${copy}/${folder}`))
      assert.ok(isOneVersion(readFileSync(`${copy}/${folder}/${name}`)), `${folder}/${name} is a mixture`)
  }
  for (let n = 0; n < SMALL; n++) assert.ok(existsSync(`${copy}/share/d${n % 7}/f${n}`), `f${n}`)
}

test(`an environment that changes while it is packed gives an error that names a file, or files that were all there (seed ${SEED})`, async (context) => {
  const launcher = await installed()
  const random = new Random(SEED)
  const place = changingWorld(context)
  const call = (...args: string[]) =>
    startCommand(place, [launcher, `--prefix=${place.prefix}`, `--path=${place.local}`, '--private', ...args], {}).ended
  const outcomes = { changed: 0, made: 0 }
  for (let n = 0; n < TRIALS; n++) {
    // From nothing, and from an archive that was fresh a moment ago.
    if (random.below(2) === 0) rmSync(place.archive, { force: true })
    const ended = await whileItChanges(place, random, async () => {
      await sleep(random.below(100))
      return await call('--check=full')
    })
    if (ended.status === 0) {
      outcomes.made++
      assertReal(ended.stdout.trimEnd())
    } else {
      outcomes.changed++
      assert.equal(ended.status, 1)
      const how = '(?:changed while the environment was being read|vanished while the environment was being listed)'
      assert.match(ended.stderr, new RegExp(`ERROR: ${place.prefix}/.* ${how}`))
      assert.deepEqual(readdirSync(place.local), [])
    }
    assert.doesNotMatch(ended.stderr, /bug|\n {4}at /)
    const next = await call('--check=full')
    assert.equal(next.status, 0, next.stderr)
    const copy = next.stdout.trimEnd()
    const wrong = differences(treeOf(place.prefix), treeOf(copy), (text) => text).filter(
      (line) => !/conda-stage|^conda-meta\/(frozen|history) |^etc/.test(line),
    )
    assert.deepEqual(wrong, [])
    assertReal(copy)
    for (const prefix of [copy, ...(ended.status === 0 ? [ended.stdout.trimEnd()] : [])])
      assert.equal((await run(place, ['--unstage', '--force', `--prefix=${prefix}`])).status, 0)
  }
  context.diagnostic(`${outcomes.changed} errors, ${outcomes.made} copies`)
})
