/**
 * Lets calls of the system fail, one at a time: every call on the original, the archive, the local folder and the home that an
 * action makes. CONDA_STAGE_TEST_CALLS=all walks all of them; a number takes so many at random, by CONDA_STAGE_TEST_SEED.
 */
import assert from 'node:assert/strict'
import { cpus } from 'node:os'
import { test } from 'node:test'
import { installed } from '../fixtures/installed.ts'
import { errnosOf, type Run, runFailing, type Site, sitesOf } from './calls/calls.ts'
import { type Ended, Scene, type State } from './calls/scene.ts'
import { Random } from './kills/random.ts'

const { CONDA_STAGE_TEST_CALLS = '90', CONDA_STAGE_TEST_SEED, CONDA_STAGE_TEST_ACTIONS } = process.env
const SEED = Number(CONDA_STAGE_TEST_SEED) || 460932983

interface Action {
  name: string
  state: State
  args(scene: Scene): string[]
  /** The active prefix of a session whose shell calls. */
  active?(scene: Scene): string
  /** Prints the path of a copy. */
  stages?: true
}

const runOf = ({ args, active }: Action, scene: Scene): Run => ({
  args: args(scene),
  env: active ? scene.shellEnv(active(scene)) : {},
})

const pack = ({ original }: Scene): string[] => ['--pack', `--prefix=${original}`]

const EVERY_ACTION: readonly Action[] = [
  { name: 'pack', state: 'plain', args: pack },
  { name: 'repack', state: 'stale', args: pack },
  { name: 'first stage', state: 'plain', args: (scene) => scene.stageArgs(), stages: true },
  { name: 'stage after a change', state: 'stale', args: (scene) => scene.stageArgs(), stages: true },
  { name: 'stage', state: 'packed', args: (scene) => scene.stageArgs(), stages: true },
  { name: 'join', state: 'staged', args: (scene) => scene.stageArgs(), stages: true },
  { name: 'unstage', state: 'staged', args: ({ staged }) => ['--unstage', `--prefix=${staged}`] },
  { name: 'verify', state: 'staged', args: ({ staged }) => ['--verify', `--prefix=${staged}`] },
  { name: 'clean', state: 'staged', args: ({ local }) => ['--clean', '--all', '--force', `--path=${local}`] },
  {
    name: 'stage in a session',
    state: 'packed',
    args: ({ local }) => [`--path=${local}`, '--keep'],
    active: ({ original }) => original,
  },
  { name: 'unstage in a session', state: 'staged', args: () => ['--unstage'], active: ({ staged }) => staged },
]
const ACTIONS = EVERY_ACTION.filter(({ name }) => (CONDA_STAGE_TEST_ACTIONS ?? name).split(',').includes(name))

interface Failure {
  action: Action
  site: Site
  errno: string
}

test(`whichever call fails, the outcome is done, done with a warning, or an error that names the path (${CONDA_STAGE_TEST_CALLS} calls, seed ${SEED})`, async (context) => {
  const launcher = await installed()
  const scenes = await Promise.all(Array.from({ length: Math.min(2, cpus().length) }, () => Scene.make(launcher)))
  const counts = new Map<string, number>()
  const failures: unknown[] = []
  const worker = async (scene: Scene, at: number) => {
    const all = await chosen(scene, at, scenes.length)
    for (const [done, failure] of all.entries()) {
      if (CONDA_STAGE_TEST_CALLS === 'all' && done % 100 === 0) console.error(`${done} of ${all.length}`)
      const outcome = await trial(scene, failure).catch((error: unknown) => {
        failures.push(error)
        if (CONDA_STAGE_TEST_CALLS === 'all') console.error(error)
        return 'wrong'
      })
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    }
  }
  try {
    await Promise.all(scenes.map(worker))
  } finally {
    for (const scene of scenes) scene[Symbol.dispose]()
  }
  context.diagnostic([...counts].map(([outcome, count]) => `${outcome}: ${count}`).join(', '))
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} calls`)
})

/** What the worker of this number lets fail, in its own scene: each has paths of its own. */
async function chosen(scene: Scene, worker: number, workers: number): Promise<Failure[]> {
  const all: Failure[] = []
  for (const action of ACTIONS) {
    scene.restore(action.state)
    for (const site of await sitesOf(scene, runOf(action, scene)))
      for (const errno of errnosOf(site)) all.push({ action, site, errno })
  }
  if (CONDA_STAGE_TEST_CALLS === 'all') return all.filter((_, at) => at % workers === worker)
  const random = new Random(SEED + worker)
  const count = Math.ceil(Number(CONDA_STAGE_TEST_CALLS) / workers)
  // Each action has its share, however many calls it makes.
  return Array.from({ length: count }, (_, at) => {
    const action = ACTIONS[at % ACTIONS.length]!
    return random.oneOf(all.filter((each) => each.action === action))
  })
}

/** @returns in a word, how it ended */
async function trial(scene: Scene, { action, site, errno }: Failure): Promise<string> {
  scene.restore(action.state)
  const ended = await runFailing(scene, runOf(action, scene), site, errno)
  if (ended === undefined) return 'not reached'
  try {
    const outcome = judge(scene, action, ended)
    await scene.assertSound()
    if (scene.leftovers().length > 0) await scene.assertNextWorks()
    return outcome
  } catch (error) {
    const what = `${action.name}: ${site.call} ${site.path}, number ${site.nth}: ${errno}`
    throw new Error(`${what}\n${JSON.stringify(ended.status)}\n${ended.stdout}${ended.stderr}`, { cause: error })
  }
}

function judge({ root, local }: Scene, { stages }: Action, { status, stdout, stderr }: Ended): string {
  assert.doesNotMatch(stderr, /This is a bug|unknown error|unknown system error|\n {4}at |Node\.js v/i)
  if (status === 0) {
    if (stages) assert.match(stdout, new RegExp(`^${local}/conda-stage_\\w+/myenvironment\n$`))
    return stderr.includes('WARNING: ') ? 'done with a warning' : 'done'
  }
  assert.ok(status === 1 || (status === 2 && stderr.includes('config.yaml')))
  const errors = stderr.split('\n').filter((line) => line.startsWith('ERROR: '))
  assert.equal(errors.length, 1)
  assert.ok(errors[0]!.includes(root) || errors[0]!.includes('open files (ulimit -n)'), 'the error names the path')
  if (stages) assert.equal(stdout, '')
  return 'an error'
}
