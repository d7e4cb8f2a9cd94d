/**
 * Kills every action at two random moments. CONDA_STAGE_TEST_KILLS sets how many there are in all, or `all`: with SIGKILL and with
 * SIGTERM at every call that touches what is ours. CONDA_STAGE_TEST_SEED repeats a run.
 */
import { cpus } from 'node:os'
import { test } from 'node:test'
import { installed } from '../fixtures/installed.ts'
import { ACTIONS, type Action } from './kills/actions.ts'
import type { Call, Kill } from './kills/kill.ts'
import { Random } from './kills/random.ts'
import { trial } from './kills/trial.ts'
import { KillWorld } from './kills/world.ts'

const ASKED = process.env.CONDA_STAGE_TEST_KILLS
const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const SIGNALS = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const
const WORKERS = Math.min(2, cpus().length)

test(`whatever is killed, at any moment, nothing is lost and the next call removes what is left (seed ${SEED})`, async (context) => {
  const launcher = await installed()
  const measured: Measured[] = []
  await inWorlds(launcher, [...ACTIONS], async (world, action) => {
    measured.push({ action, ...(await moments(world, action)) })
  })
  measured.sort((a, b) => ACTIONS.indexOf(a.action) - ACTIONS.indexOf(b.action))
  const trials = ASKED === 'all' ? atEachCall(measured) : atRandom(measured, Number(ASKED) || 2 * ACTIONS.length)
  const counts = new Map<string, number>()
  await inWorlds(launcher, trials, async (world, { action, kill }) => {
    const outcome = await trial(world, action, kill)
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  })
  context.diagnostic([...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '))
})

/** Does the work for each of the list, each worker in a world of its own; a failure costs the world, and counts at the end. */
async function inWorlds<T>(launcher: string, list: T[], work: (world: KillWorld, each: T) => Promise<void>) {
  const [count, failures] = [list.length, [] as unknown[]]
  const worker = async () => {
    let world = await KillWorld.make(launcher)
    for (let each = list.shift(); each !== undefined; each = list.shift())
      try {
        await work(world, each)
      } catch (error) {
        failures.push(error)
        console.error(error)
        world[Symbol.dispose]()
        world = await KillWorld.make(launcher)
      }
    world[Symbol.dispose]()
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of ${count}`)
}

interface Measured {
  action: Action
  /** How long it takes. */
  ms: number
  calls: Call[]
}

/** Under strace everything takes about twice as long. */
async function moments(world: KillWorld, action: Action): Promise<Pick<Measured, 'ms' | 'calls'>> {
  await world.prepare(action)
  const { ended, calls } = await world.calls(action)
  await world.next(action)
  const [, begun, end] = /^took (\S+) (\S+)$/m.exec(ended.stdout) ?? []
  return { ms: (end === undefined ? ended.ms : (Number(end) - Number(begun)) * 1000) / 2, calls }
}

interface Trial {
  action: Action
  kill: Kill
}

const oursOf = ({ calls }: Measured): Call[] => calls.filter(({ isOurs }) => isOurs)

const atEachCall = (measured: readonly Measured[]): Trial[] =>
  measured.flatMap((each) =>
    oursOf(each).flatMap((at) =>
      (['SIGKILL', 'SIGTERM'] as const).map((signal) => ({
        action: each.action,
        kill: { signal, to: 'program', times: 1, at } as const,
      })),
    ),
  )

/** Half of the kills are aimed at a call, and most of these at one that touches what is ours. */
function atRandom(measured: readonly Measured[], count: number): Trial[] {
  const random = new Random(SEED)
  return Array.from({ length: count }, (_, n) => {
    const each = measured[n % measured.length]!
    const signal = random.oneOf(SIGNALS)
    const ours = oursOf(each)
    const at = random.oneOf(random.below(4) > 0 && ours.length > 0 ? ours : each.calls)
    const moment = { ms: random.fraction() * each.ms * 1.1 }
    const [to, times] = [random.oneOf(['program', 'group'] as const), random.oneOf([1, 2] as const)]
    const kill: Kill =
      random.below(2) === 0 ? { signal, to: 'program', times: 1, at } : { signal, to, times, at: moment }
    return { action: each.action, kill }
  })
}
