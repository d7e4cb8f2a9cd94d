/** Many share one copy while some of them are killed. CONDA_STAGE_TEST_CROWD sets how many, CONDA_STAGE_TEST_SEED repeats a run. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { installed } from '../fixtures/installed.ts'
import { killAmong, leaderIn, type Session, startSessions } from './kills/crowd.ts'
import { Random } from './kills/random.ts'
import { KillWorld } from './kills/world.ts'

const CROWD = Number(process.env.CONDA_STAGE_TEST_CROWD) || 8
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const launcher = await installed()

const copiesOf = (sessions: readonly Session[]): Set<string> =>
  new Set(sessions.flatMap(({ said }) => said.filter((line) => line.startsWith('copy ')).map((line) => line.slice(5))))

function assertNothingLost(sessions: readonly Session[]): void {
  for (const { said, stderr } of sessions) {
    assert.deepEqual(
      said.filter((line) => line.startsWith('LOST')),
      [],
      stderr,
    )
    assert.doesNotMatch(stderr, /bug|\n {4}at /)
  }
}

/** Nothing is left of any copy: of a session that was killed, a process that waits for its end removes the copy. */
async function nothingLeft(world: KillWorld): Promise<void> {
  for (let waited = 0; readdirSync(world.local).length > 0; waited += 100) {
    assert.ok(waited < 10_000, `left: ${readdirSync(world.local)}`)
    await sleep(100)
  }
}

test(`${CROWD} sessions that start together without archive and copy share one copy, which goes with the last`, async () => {
  using world = await KillWorld.make(launcher)
  const sessions = await startSessions(world, { count: CROWD, rounds: 1 }).ended
  assertNothingLost(sessions)
  for (const { status, said, stderr } of sessions)
    assert.deepEqual([status, said.at(-1), said.includes('failed')], [0, 'end', false], stderr)
  assert.equal(copiesOf(sessions).size, 1)
  assert.equal(sessions.filter(({ stderr }) => /Packaging/.test(stderr)).length, 1)
  assert.deepEqual(world.leftovers(), [])
  await nothingLeft(world)
})

test(`whenever the one that makes the copy for ${CROWD} others is killed, another takes over at once (seed ${SEED})`, async () => {
  using world = await KillWorld.make(launcher)
  const random = new Random(SEED)
  for (let round = 0; round < 6; round++) {
    if (round % 2 === 0) rmSync(world.archive, { force: true })
    const { ended } = startSessions(world, { count: CROWD, rounds: 1 })
    const victims = new Set<number>()
    while (victims.size < 3) {
      const leader = leaderIn(world.local)
      await sleep(random.fraction() * 300)
      if (leader === undefined || leader !== leaderIn(world.local) || victims.has(leader)) continue
      victims.add(leader)
      process.kill(leader, 'SIGKILL')
    }
    const sessions = await ended
    assertNothingLost(sessions)
    assert.equal(sessions.filter(({ said }) => said.includes('failed')).length, 3)
    assert.equal(copiesOf(sessions).size, 1)
    await nothingLeft(world)
    await world.assertArchiveWhole()
    assert.deepEqual(world.leftovers(), [])
  }
})

test(`${CROWD} sessions that come, go and are killed never lose the copy that they use, and the next call finds no trace (seed ${SEED})`, async (context) => {
  using world = await KillWorld.make(launcher)
  const random = new Random(SEED)
  const { sessions, ended } = startSessions(world, { count: CROWD, rounds: 5 })
  const kills = await killAmong(sessions, random, 25)
  assertNothingLost(await ended)
  await world.assertArchiveWhole()
  const [last] = await startSessions(world, { count: 1, rounds: 1 }).ended
  assert.deepEqual([last!.status, last!.said.at(-1)], [0, 'end'], last!.stderr)
  await nothingLeft(world)
  assert.deepEqual(world.leftovers(), [])
  context.diagnostic(`${kills} kills`)
})
