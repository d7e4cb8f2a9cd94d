/**
 * Kills every action at random moments. CONDA_STAGE_TEST_KILLS sets how many times, CONDA_STAGE_TEST_SEED repeats a run.
 */
import { cpus } from 'node:os'
import { test } from 'node:test'
import { installed } from '../fixtures/installed.ts'
import { ACTIONS, type Action } from './kills/actions.ts'
import type { CallKind, Kill } from './kills/kill.ts'
import { Random } from './kills/random.ts'
import { trial } from './kills/trial.ts'
import { KillWorld } from './kills/world.ts'

const TRIALS = Number(process.env.CONDA_STAGE_TEST_KILLS) || 330
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const SIGNALS = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT'] as const

test(`${TRIALS} kills at random moments lose nothing, and the next call removes what they leave (seed ${SEED})`, async (context) => {
  const launcher = await installed()
  const random = new Random(SEED)
  const counts = new Map<string, number>()
  const failures: unknown[] = []
  let next = 0
  const measured = new Map<Action, Promise<Moments>>()
  const worker = async () => {
    let world = await KillWorld.make(launcher)
    while (next < TRIALS) {
      const action = ACTIONS[next++ % ACTIONS.length]!
      try {
        if (!measured.has(action)) measured.set(action, moments(world, action))
        const kill = randomKill(random, await measured.get(action)!)
        const outcome = await trial(world, action, kill)
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
      } catch (error) {
        measured.delete(action)
        failures.push(error)
        console.error(error)
        world[Symbol.dispose]()
        world = await KillWorld.make(launcher)
      }
    }
    world[Symbol.dispose]()
  }
  await Promise.all(Array.from({ length: Math.min(2, cpus().length) }, worker))
  context.diagnostic([...counts].map(([outcome, count]) => `${outcome}: ${count}`).join(', '))
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of ${TRIALS} kills`)
})

/** How long the action takes, and how many calls of each kind its busiest thread makes. */
interface Moments {
  ms: number
  calls: Record<CallKind, number>
}

async function moments(world: KillWorld, action: Action): Promise<Moments> {
  await world.prepare(action)
  const { ms, stdout } = await world.run(action, undefined)
  await world.next(action)
  await world.prepare(action)
  const calls = await world.countCalls(action)
  await world.next(action)
  const [, begun, ended] = /^took (\S+) (\S+)$/m.exec(stdout) ?? []
  return { ms: ended === undefined ? ms : (Number(ended) - Number(begun)) * 1000, calls }
}

function randomKill(random: Random, { ms, calls }: Moments): Kill {
  const signal = random.oneOf(SIGNALS)
  const kind = random.oneOf(['names', 'names', 'files', 'modes'] as const)
  if (random.below(2) === 0 && calls[kind] > 0)
    return { signal, to: 'program', times: 1, at: { kind, nth: 1 + random.below(calls[kind]) } }
  return {
    signal,
    to: random.oneOf(['program', 'group']),
    times: random.oneOf([1, 2]),
    at: { ms: random.fraction() * ms * 1.1 },
  }
}
