/**
 * Some come while the last one leaves. One of them is held up at one of its calls, and perhaps killed there, while the others do
 * all they have to. CONDA_STAGE_TEST_KILLS=all tries every call, CONDA_STAGE_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { installed } from '../fixtures/installed.ts'
import type { Action } from './kills/actions.ts'
import { type Call, heldUp } from './kills/kill.ts'
import { assertWhole } from './kills/original.ts'
import { Random } from './kills/random.ts'
import { KillWorld } from './kills/world.ts'

const SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const random = new Random(SEED)
const launcher = await installed()

/** More than a program takes. */
const HELD_MS = 700
/** A session whose program says which copy it has. It uses the copy until its standard input says more, and looks whether it is there. */
const COME = `P=$("$C" --prefix="$E" --path="$L" --session=$$) && echo "$P" || echo none
until read -r -t 0.02; [ $? -le 128 ]; do [ -e "$P/bin/place" ] || echo LOST; done`
const LEAVE = '"$C" --unstage --prefix="$P" --session=$$'

class Guest {
  static readonly all: Guest[] = []
  readonly #bash: ChildProcess
  #said = ''

  constructor(world: KillWorld, code: string, order: Record<string, string> = {}) {
    const command = ['--norc', '-c', code]
    Guest.all.push(this)
    this.#bash = spawn('bash', command, { env: { ...world.env, ...order }, cwd: '/', detached: true })
    this.#bash.stdout!.setEncoding('utf8').on('data', (text) => {
      this.#said += text
    })
  }

  /** The copy that the guest uses. */
  async copy(): Promise<string> {
    while (!this.#said.includes('\n')) await once(this.#bash.stdout!, 'data')
    return this.#said.split('\n')[0]!
  }

  /** Goes on to what the session does after `read`. */
  goOn = () => this.#bash.stdin!.write('\n')

  kill = () => this.#bash.exitCode === null && process.kill(-this.#bash.pid!, 'SIGKILL')

  async end(): Promise<void> {
    this.#bash.stdin!.end()
    if (this.#bash.exitCode === null) await once(this.#bash, 'close')
    assert.doesNotMatch(this.#said, /LOST/)
  }
}

after(() => Guest.all.map((guest) => guest.kill()))

const isSample = process.env.CONDA_STAGE_TEST_KILLS !== 'all'

/** Calls of an action that touch what is ours; some of those that change names, unless all are asked for. */
async function callsOf(world: KillWorld, action: Action): Promise<Call[]> {
  await world.prepare(action)
  const { calls } = await world.calls(action)
  await world.clear()
  const ours = calls.filter(({ isOurs, kind }) => isOurs && (kind === 'names' || !isSample))
  return isSample ? Array.from({ length: 3 }, () => random.oneOf(ours)) : ours
}

const order = (at: Call, fate: 'killed' | number): Record<string, string> => ({
  ORDER: heldUp(at, HELD_MS, fate),
  ...{ ORDER_PID: '/dev/null', ORDER_LOG: '/dev/null', CONDA_STAGE_POOL: '1' },
})

test(`whoever comes while the last one leaves has a whole copy, wherever that one is held up or killed (seed ${SEED})`, async () => {
  using world = await KillWorld.make(launcher)
  const action: Action = {
    name: 'leave',
    archive: 'fresh',
    alone: true,
    before: COME.split('\n')[0]!,
    code: LEAVE,
  }
  for (const moment of (await callsOf(world, action)).flatMap((at) => [
    { at, fate: 3 },
    { at, fate: 'killed' as const },
  ])) {
    const variables = Object.entries(order(moment.at, moment.fate)).map(([name, value]) => `${name}='${value}'`)
    const last = new Guest(world, `${COME}\n${variables.join(' ')} ${LEAVE}`)
    await last.copy()
    last.goOn()
    const guests: Guest[] = []
    for (let n = 0; n < 7; n++) {
      await sleep(250)
      guests.push(new Guest(world, COME))
    }
    await last.end()
    await assertHaveCopies(world, guests, moment)
  }
})

test(`whoever is held up while he comes, and the last one leaves meanwhile, has a whole copy (seed ${SEED})`, async () => {
  using world = await KillWorld.make(launcher)
  const action: Action = { name: 'come', archive: 'fresh', code: '"$C" --prefix="$E" --path="$L"' }
  for (const at of await callsOf(world, action)) {
    const last = new Guest(world, `${COME}\n${LEAVE}`)
    await last.copy()
    const guest = new Guest(world, COME, order(at, 1))
    await sleep(300)
    last.goOn()
    await last.end()
    await assertHaveCopies(world, [guest], at)
  }
})

/** All of them, and it stays so. In the end no copy is left when another one has come and gone. */
async function assertHaveCopies(world: KillWorld, guests: readonly Guest[], moment: object): Promise<void> {
  const copies = await Promise.all(guests.map((guest) => guest.copy()))
  for (const copy of copies) {
    assert.ok(existsSync(copy), `${copy} ${JSON.stringify(moment)}`)
    assertWhole(world.original, copy)
  }
  for (const guest of guests) await guest.end()
  const next = new Guest(world, `${COME}\n${LEAVE}`)
  await next.copy()
  next.goOn()
  await next.end()
  assert.deepEqual([world.leftovers(), world.stages()], [[], []], JSON.stringify(moment))
}
