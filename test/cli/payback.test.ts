import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { timeOfLookUp } from '../../src/platform/time-of-look-up.ts'
import { copiedWorld, LAUNCHER, run, startCommand, succeed, type World } from './world.ts'

const skip = slowfsUnavailable() ?? false
const LINE =
  /^INFO: Staged \d+ files?, 0\.0 MB, in \d+(?:\.\d)? s\. A look-up in (\S+) takes [\d.]+ ms here: a start from the copy gains only about 0\.\d s$/m

interface Slow {
  latencyMs: number
  /** By default the environment has a single file: however busy the machine is, no start could gain much. */
  files?: number
}

async function slowly(context: TestContext, { latencyMs, files = 0 }: Slow, body: (place: World) => Promise<void>) {
  const place = await copiedWorld(context)
  rmSync(place.prefix, { recursive: true })
  mkdirSync(`${place.prefix}/conda-meta`, { recursive: true })
  writeFileSync(`${place.prefix}/conda-meta/history`, '')
  for (let i = 0; i < files; i++) writeFileSync(`${place.prefix}/${i}`, `${i}`)
  const envs = dirname(place.prefix)
  const mount = await mountSlow(envs, envs, { latencyMs })
  try {
    await body(place)
  } finally {
    await mount.unmount()
  }
}

const stage = (place: World, args: string[] = [], env: Record<string, string> = {}) =>
  succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`, '--private', ...args], { env })

const payback = async (place: World, args: string[] = []) =>
  JSON.parse((await stage(place, ['--json', ...args])).stdout).payback

test('a stage that can’t pay ends with one line that says so with numbers, for people only', { skip }, (context) =>
  slowly(context, { latencyMs: 0 }, async (place) => {
    const { stderr } = await stage(place)
    assert.equal(LINE.exec(stderr)?.[1], place.prefix, stderr)
    assert.match(stderr.trimEnd().split('\n').at(-1)!, LINE, 'it is the last')
    assert.equal((await stage(place, ['--quiet'])).stderr, '')
    const json = await stage(place, ['--json'])
    assert.doesNotMatch(json.stderr, LINE)
    const { pays, gainSeconds, stageSeconds } = JSON.parse(json.stdout).payback
    assert.ok(pays === false && gainSeconds < stageSeconds, json.stdout)
  }),
)

test('a session that activates such a copy is told after it is active', { skip }, (context) =>
  slowly(context, { latencyMs: 0 }, async (place) => {
    const script = `eval "$('${LAUNCHER}' --source bash)"; conda-stage --path='${place.local}'; conda-stage --unstage`
    const active = { CONDA_PREFIX: place.prefix, CONDA_DEFAULT_ENV: place.name, CONDA_SHLVL: '1' }
    const { status, stderr } = await startCommand(place, ['bash', '-c', script], { env: active }).ended
    assert.equal(status, 0, stderr)
    assert.match(stderr, new RegExp(`\\nINFO: Activating [^\\n]*\\n${LINE.source.slice(1, -1)}\\n`))
  }),
)

test(
  'the output of a job has no line about whether a stage pays, unless it is asked for details',
  { skip },
  (context) =>
    slowly(context, { latencyMs: 0 }, async (place) => {
      const job = { SLURM_JOB_ID: '7' }
      assert.doesNotMatch((await stage(place, [], job)).stderr, LINE)
      assert.match((await stage(place, ['--verbose'], job)).stderr, LINE)
    }),
)

test(
  'a stage from a slow file system ends with what it was and what a start from here gains; --status tells it, too',
  { skip },
  (context) =>
    slowly(context, { latencyMs: 2, files: 3000 }, async (place) => {
      const before = await succeed(place, ['--status', `--prefix=${place.prefix}`])
      assert.match(
        before.stdout,
        /^staging: +pays: a look-up takes [\d.]+ ms, a start from a copy gains about [\d.]+ s, /m,
      )
      assert.match(
        (await stage(place)).stderr.trimEnd().split('\n').at(-1)!,
        /^INFO: Staged 3,001 files, 0\.0 MB, in [\d.]+ s\. A look-up in \S+ takes [\d.]+ ms here: a start from the copy gains about [\d.]+ s$/,
      )
      const { pays, lookUpMs } = await payback(place)
      assert.ok(pays && lookUpMs > 1.5)
    }),
)

test(
  '--status says where staging gains little, and leaves it to another line if the original is on local disk',
  { skip },
  (context) =>
    slowly(context, { latencyMs: 0 }, async (place) => {
      const status = async (prefix: string) => (await succeed(place, ['--status', `--prefix=${prefix}`])).stdout
      await succeed(place, ['--pack', `--prefix=${place.prefix}`])
      assert.match(await status(place.prefix), /^staging: +gains little: a look-up takes [\d.]+ ms, /m)
      const local = await copiedWorld(context)
      assert.doesNotMatch(await status(local.prefix), /^staging:/m)
      const staged = await run(local, [`--prefix=${local.prefix}`, `--path=${local.local}`, '--json'])
      assert.equal(JSON.parse(staged.stdout).payback, undefined)
    }),
)

test('whoever joins a copy does not pay for measuring whether it pays', { skip }, (context) =>
  slowly(context, { latencyMs: 0 }, async (place) => {
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, '--json']
    const results = [await succeed(place, args), await succeed(place, args)].map(({ stdout }) => JSON.parse(stdout))
    assert.equal(results[0].prefix, results[1].prefix)
    assert.deepEqual(
      results.map(({ payback }) => payback !== undefined),
      [true, false],
    )
  }),
)

test('names that the kernel remembers do not make a slow file system look quick', { skip }, (context) =>
  slowly(context, { latencyMs: 20 }, async (place) => {
    readdirSync(place.prefix, { recursive: true, withFileTypes: true })
    for (let i = 0; i < 2; i++) assert.ok((await timeOfLookUp(place.prefix)) > 5)
  }),
)
