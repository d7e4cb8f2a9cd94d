/**
 * The file server fails or hangs at random requests. CONDA_STAGE_TEST_SERVER sets how many times, CONDA_STAGE_TEST_SEED repeats a
 * run.
 */
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { type Ended, run, start, succeed } from '../cli/world.ts'
import { Random } from './kills/random.ts'
import { check, type Fault, pack, type Served, served, stage } from './served.ts'

const skip = slowfsUnavailable() ?? false
const TRIALS = Number(process.env.CONDA_STAGE_TEST_SERVER) || 3
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31

/** About how many requests of each kind a call makes. */
const REQUESTS: Record<string, number> = {
  ...{
    any: 400,
    lookup: 120,
    getattr: 120,
    fstat: 20,
    close: 20,
    open: 20,
    opendir: 15,
    readdir: 15,
    read: 12,
    readlink: 1,
  },
  ...{ create: 3, write: 4, mkdir: 1, rename: 1, unlink: 2, rmdir: 1, fsync: 1 },
}
const ERRNOS = ['EIO', 'ESTALE', 'ENOTCONN', 'EACCES', 'ENOSPC', 'EDQUOT'] as const

interface Trial {
  args: string[]
  env: Record<string, string>
  fault: Fault
}

/** Brings the place into a state, and says what happens in it. */
async function prepare(place: Served, random: Random): Promise<Trial> {
  const { prefix, archive, local } = place
  await succeed(place, pack(place).slice(0, 2))
  const staged = random.below(2) ? (await succeed(place, stage(place))).stdout.trimEnd() : undefined
  if (random.below(2)) rmSync(`${place.behind}/${place.name}.tar.zst`)
  const ofCopy =
    staged === undefined
      ? []
      : [
          ['--unstage', `--prefix=${staged}`],
          ['--verify', `--prefix=${staged}`],
        ]
  const args = random.oneOf([
    ...[pack(place), stage(place), [...stage(place), '--private'], [...stage(place), '--dry-run'], check(place)],
    ...[
      ['--pack', '--dry-run', `--prefix=${prefix}`],
      ['--verify', `--output=${archive}`],
    ],
    ...[['--status'], ['--list'], ['--clean', `--path=${local}`], ...ofCopy],
  ])
  const kind = random.oneOf(Object.keys(REQUESTS))
  const fault = { kind, after: Math.floor(random.fraction() ** 2 * REQUESTS[kind]!) }
  return { args, env: staged === undefined ? {} : { CONDA_PREFIX: staged }, fault }
}

async function runFailing(place: Served, { args, env, fault }: Trial, random: Random): Promise<Ended> {
  await place.server.fail(fault, constants.errno[random.oneOf(ERRNOS)])
  const ended = await run(place, ['--json', ...args], { env })
  if (ended.status !== 0) {
    assert.equal(ended.status, 1)
    const { error } = JSON.parse(ended.stdout)
    if (error) assert.ok(error.code === 'VERIFY_FAILED' || error.message.includes(place.root), error.message)
  }
  return ended
}

async function runHanging(place: Served, { args, env, fault }: Trial, random: Random): Promise<Ended> {
  await place.server.hang(fault)
  const { child, ended } = start(place, args, { env })
  let isOver = false
  child.on('close', () => {
    isOver = true
  })
  while (!isOver && (await place.server.counters()).waiting === 0) await sleep(10)
  if (isOver) return await ended
  await sleep(random.below(200))
  const signal = random.oneOf(['SIGINT', 'SIGTERM'] as const)
  child.kill(signal)
  const result = await Promise.race([ended, sleep(9000)])
  if (result === undefined) child.kill('SIGKILL')
  assert.ok(result, 'it still waits')
  const stopped: unknown[] = [signal, { SIGINT: 130, SIGTERM: 143 }[signal]]
  assert.ok(result.status === 0 || stopped.includes(result.status), `${signal}: ${result.status}`)
  return result
}

/** The original is as it was. Calls that come later do their work, and leave nothing of this one. */
async function isAsBefore(place: Served, original: unknown): Promise<void> {
  assert.deepEqual((place.state() as unknown[])[0], original)
  await succeed(place, pack(place))
  const copy = (await succeed(place, [...stage(place), '--private'])).stdout.trimEnd()
  await succeed(place, ['--unstage', `--prefix=${copy}`])
  for (const name of readdirSync(place.local)) {
    assert.ok(!name.startsWith('.'), name)
    const prefix = `${place.local}/${name}/${place.name}`
    await succeed(place, ['--verify', `--prefix=${prefix}`])
    while (readdirSync(place.local).includes(name)) await succeed(place, ['--unstage', `--prefix=${prefix}`])
  }
  assert.deepEqual(readdirSync(place.behind).sort(), [place.name, `${place.name}.tar.zst`])
}

test(`whatever a file server does not give at ${TRIALS} random moments, calls end with an error that names a path or with the signal, and nothing is lost or left (seed ${SEED})`, {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    const random = new Random(SEED)
    const [original] = place.state() as [unknown]
    const outcomes: string[] = []
    for (let count = 0; count < TRIALS; count++) {
      const trial = await prepare(place, random)
      const how = random.oneOf([runFailing, runHanging])
      try {
        const { status, stderr } = await how(place, trial, random)
        await place.server.release()
        assert.doesNotMatch(stderr, /This is a bug|\n {4}at /)
        await isAsBefore(place, original)
        outcomes.push(`${how.name}: ${status}`)
      } catch (error) {
        assert.fail(`trial ${count}, ${how.name} ${JSON.stringify(trial)}: ${(error as Error).stack}`)
      }
    }
    const counts = Map.groupBy(outcomes, (outcome) => outcome)
    context.diagnostic([...counts].map(([outcome, { length }]) => `${outcome}: ${length}`).join(', '))
  })
})
