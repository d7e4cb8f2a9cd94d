import assert from 'node:assert/strict'
import type { Action } from './actions.ts'
import type { Ended, Kill } from './kill.ts'
import type { KillWorld } from './world.ts'

const STATUS = { SIGKILL: 137, SIGTERM: 143, SIGHUP: 129, SIGINT: 130, SIGQUIT: 131 }

/** What was there before. */
interface Before {
  leftovers: string[]
  archive: string
  stages: string[]
}

/**
 * Kills an action, looks at everything that must hold whatever the moment was, and lets the next user come.
 * @returns in a word, how it ended
 */
export async function trial(world: KillWorld, action: Action, kill: Kill): Promise<string> {
  await world.prepare(action)
  const before = { leftovers: world.leftovers(), archive: world.archiveIdentity(), stages: world.stages() }
  const ended = await world.run(action, kill)
  try {
    world.assertOriginalUnchanged(action)
    if (world.archiveIdentity() !== before.archive) await world.assertArchiveWhole()
    world.assertStagesWhole()
    const outcome = action.session
      ? afterSession(world, action, kill, ended)
      : afterCall(world, action, kill, ended, before)
    await world.next(action)
    return outcome
  } catch (error) {
    throw new Error(`${action.name}, ${JSON.stringify(kill)}\n${JSON.stringify(ended, null, 2)}`, { cause: error })
  }
}

function afterCall(world: KillWorld, action: Action, { signal }: Kill, ended: Ended, before: Before): string {
  const { status, stdout, stderr } = ended
  if (signal === 'SIGKILL' && (status === 'SIGKILL' || status === 137)) return 'killed'
  if (status === 0) {
    assert.deepEqual(world.leftovers(), action.lists ? before.leftovers : [])
    return 'done'
  }
  assert.ok(status === signal || status === STATUS[signal], `${status}`)
  const says = new RegExp(`^WARNING: Stopped by ${signal}: nothing was staged(.*)$`, 'm').exec(stderr)?.[1]
  // Without a word: it has not begun, or has finished.
  if (says === undefined) return 'died'
  // What runs before it has staged a copy, and removed the rest of another one.
  if (action.keeps) {
    assert.equal(says, ' or changed')
    return 'stopped'
  }
  assert.deepEqual(world.leftovers(), before.leftovers)
  assert.equal(stdout, '')
  // What the action begins with may have made one.
  const stages =
    action.before === undefined ? world.stages() : world.stages().filter((stage) => before.stages.includes(stage))
  assert.deepEqual(stages, before.stages)
  if (world.archiveIdentity() === before.archive) assert.equal(says, ' or changed')
  else assert.equal(says, `; the archive ${world.archive} is complete`)
  return 'stopped'
}

/** A session that lives has the original or a whole copy, knows which, and can go on. */
function afterSession(world: KillWorld, action: Action, kill: Kill, { status, stdout, stderr }: Ended): string {
  if (status === kill.signal) return 'session killed'
  assert.equal(status, 0)
  if (action.code === 'exit 0') return 'ended'
  const line = (word: string) => new RegExp(`^${word} (.*)$`, 'm').exec(stdout)?.[1]
  const ended = Number(line('status'))
  const [active, place] = [line('active'), line('place')]
  assert.equal(line('original'), `${world.original} ${world.original}`)
  const [copy, runs] = (line('copy') ?? '').split(' ')
  assert.ok(copy!.startsWith(`${world.local}/conda-stage_`) && copy === runs, 'it can go on')
  assert.doesNotMatch(stderr, /bug|\n {4}at /)
  if (active === 'nothing') assert.equal(action.name, 'deactivation')
  else assert.equal(active, place)
  if (ended === 0) return 'done'
  assert.ok(ended === 1 || ended === STATUS[kill.signal], `${ended}`)
  if (ended !== 1)
    assert.match(stderr, /^WARNING: Stopped by SIG\w+: nothing was staged( or changed|; the archive \S+ is complete)$/m)
  return kill.signal === 'SIGKILL' ? 'killed' : 'stopped'
}
