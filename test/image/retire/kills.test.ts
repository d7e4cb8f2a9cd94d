/**
 * Kills --retire and --restore as they enter calls that change names, write, or bring to disk. CONDA_STAGE_TEST_SEED repeats a run,
 * CONDA_STAGE_TEST_KILLS sets how many kills there are, or `all`: at each of these calls.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { test } from 'node:test'
import { restore } from '../../../src/pipeline/restore.ts'
import { retire } from '../../../src/pipeline/retire.ts'
import { Random } from '../../faults/kills/random.ts'
import { installed } from '../../fixtures/installed.ts'
import { type Retirement, retirement, stateOf } from './world.ts'

const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const ASKED = process.env.CONDA_STAGE_TEST_KILLS
const TRIALS = Number(ASKED) || 6
/** Each counted by itself, in each thread. */
const CALLS = [
  'rename',
  'mkdir',
  'unlink,unlinkat',
  'rmdir',
  'fsync',
  'write,pwrite64',
  'link,linkat,symlinkat',
  'utimensat',
]
const SIGNALS = ['SIGKILL', 'SIGTERM'] as const

interface Trial {
  action: 'retire' | 'restore'
  call: string
  nth: number
  signal: (typeof SIGNALS)[number]
}

const launcher = await installed()

/** Runs the action under strace. `log`: only counts the calls. */
function traced(
  { prefix, env, root }: Retirement,
  { action, call }: Pick<Trial, 'action' | 'call'>,
  inject?: string,
): string {
  const log = `${root}/log`
  const options = [
    '-f',
    '-qqq',
    '-o',
    log,
    '-e',
    `trace=${call}`,
    ...(inject ? ['-e', `inject=${call}:${inject}`] : []),
  ]
  const args = [`--${action}`, `--prefix=${prefix}`, ...(action === 'retire' ? ['--force'] : [])]
  const { stderr } = spawnSync('strace', [...options, launcher, ...args], {
    env: { ...env, CONDA_STAGE_POOL: '1' },
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  return inject ? stderr : readFileSync(log, 'utf8')
}

/** How often the busiest thread makes the call. */
function countOf(call: string, log: string): number {
  const lines = log.matchAll(new RegExp(`^(\\d+) +(?:${call.replaceAll(',', '|')})\\(`, 'gm'))
  const counts = Map.groupBy(lines, ([, thread]) => thread)
  return Math.max(0, ...[...counts.values()].map(({ length }) => length))
}

const library = ({ prefix, env }: Retirement) => ({ prefix, env, cwd: '/' })

/** Brings the world into the state that the action begins with. */
async function prepare(place: Retirement, { action }: Pick<Trial, 'action'>): Promise<void> {
  if (action === 'retire') execFileSync('rm', ['-f', place.archive])
  else await retire(library(place))
}

/** Whatever happened, the environment or its whole archive is there, and the next calls find their way. */
async function trial(place: Retirement, each: Trial, before: string): Promise<string> {
  const { prefix, archive, debris } = place
  await prepare(place, each)
  const stderr = traced(place, each, `signal=${each.signal}:when=${each.nth}`)
  assert.doesNotMatch(stderr, /This is a bug/)
  const aside = prefix.replace(/[^/]*$/, (name) => `.${name}.retiring`)
  const isAside = existsSync(aside)
  const outcome = existsSync(prefix) ? 'there' : isAside ? 'set aside' : 'retired'
  if (outcome === 'there') assert.equal(stateOf(prefix), before)
  else if (isAside) assert.equal(stateOf(aside), before)
  else assert.ok(existsSync(archive))
  if (each.signal === 'SIGTERM' && outcome === 'there' && each.action === 'retire')
    assert.deepEqual([debris(), existsSync(archive)], [[], false], stderr)
  // The next call, whichever it is.
  if (outcome === 'retired') await restore(library(place))
  else await retire(library(place)).then(() => restore(library(place)))
  assert.equal(stateOf(prefix), before)
  assert.deepEqual(debris(), [])
  return outcome
}

test(`whenever --retire or --restore is killed, nothing is lost, and the next call goes on (seed ${SEED})`, async (context) => {
  const place = retirement(context)
  const before = stateOf(place.prefix)
  const random = new Random(SEED)
  const all: Trial[] = []
  for (const action of ['retire', 'restore'] as const) {
    await prepare(place, { action })
    const log = traced(place, { action, call: CALLS.join() })
    if (!existsSync(place.prefix)) await restore(library(place))
    for (const call of CALLS) {
      const count = countOf(call, log)
      for (const signal of SIGNALS) for (let nth = 1; nth <= count; nth++) all.push({ action, call, nth, signal })
    }
  }
  // The steps that decide are few among many.
  const decisive = all.filter(({ call, action }) => call === 'rename' && action === 'retire')
  const chosen =
    ASKED === 'all' ? all : [...decisive.slice(0, 6), ...Array.from({ length: TRIALS }, () => random.oneOf(all))]
  const counts = new Map<string, number>()
  for (const each of chosen) {
    const outcome = await trial(place, each, before).catch((error: unknown) => {
      throw new Error(JSON.stringify(each), { cause: error })
    })
    counts.set(`${each.action} ${outcome}`, (counts.get(`${each.action} ${outcome}`) ?? 0) + 1)
  }
  context.diagnostic(`of ${all.length} moments: ${[...counts].map(([outcome, n]) => `${n} ${outcome}`).join(', ')}`)
})

test('an environment that was set aside gets its name back; if something new has that name, both stay', async (context) => {
  const place = retirement(context)
  const { prefix } = place
  const before = stateOf(prefix)
  const aside = prefix.replace(/[^/]*$/, (name) => `.${name}.retiring`)
  renameSync(prefix, aside)
  await assert.rejects(restore({ ...library(place), archive: await archived(place, aside) }), /is there already/)
  assert.equal(stateOf(prefix), before)
  execFileSync('cp', ['-a', prefix, aside])
  await assert.rejects(retire(library(place)), /something new has taken its name since/)
  assert.deepEqual([stateOf(prefix), stateOf(aside)], [before, before])
})

/** An archive of the environment while it has another name. */
async function archived({ prefix, root }: Retirement, aside: string): Promise<string> {
  renameSync(aside, prefix)
  const file = `${root}/file.tar.zst`
  execFileSync(launcher, ['--pack', `--prefix=${prefix}`, `--output=${file}`], { stdio: 'ignore' })
  renameSync(prefix, aside)
  return file
}
