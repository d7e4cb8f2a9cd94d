import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inTurn, sweepTurn } from '../../src/leases/turn.ts'
import { ownIdentity } from '../../src/platform/process-identity.ts'

const uid = process.getuid!()

function localFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'turn-'))
  context.after(() => rmSync(folder, { recursive: true }))
  return folder
}

const turnIn = (local: string, onWait = () => {}) => ({ local, what: 'something', uid, onWait })

const MODULE = JSON.stringify(new URL('../../src/leases/turn.ts', import.meta.url).href)

/** Takes the turn, notes in a log when it has it and when it gives it back, and may die in between. */
const TAKER = `
  const { appendFileSync } = await import('node:fs')
  const { inTurn } = await import(${MODULE})
  const [local, log, dies] = process.argv.slice(1)
  const note = (what) => appendFileSync(log, what + ' ' + process.pid + '\\n')
  await inTurn({ local, what: 'something', uid: process.getuid(), onWait() {} }, {
    already: async () => undefined,
    body: async () => {
      note('begin')
      await new Promise((resolve) => setTimeout(resolve, 20))
      if (dies === 'dies') process.kill(process.pid, 'SIGKILL')
      note('end')
    },
  })`

function taker(local: string, log: string, fate: 'lives' | 'dies') {
  const child = spawn(process.execPath, ['--input-type=module', '-e', TAKER, '--', local, log, fate], {
    stdio: 'inherit',
  })
  return { pid: child.pid!, ended: new Promise<void>((resolve) => child.on('close', () => resolve())) }
}

test('processes that want the same have their turns one after the other, even if some of them are killed in theirs', async (context) => {
  const local = localFolder(context)
  const log = `${localFolder(context)}/log`
  const takers = Array.from({ length: 12 }, (_, at) => taker(local, log, at % 3 === 0 ? 'dies' : 'lives'))
  await Promise.all(takers.map(({ ended }) => ended))
  const killed = new Set(takers.filter((_, at) => at % 3 === 0).map(({ pid }) => String(pid)))
  let within: string | undefined
  for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
    const [what, pid] = line.split(' ') as [string, string]
    if (what === 'begin') assert.ok(within === undefined || killed.has(within), `${pid} began within ${within}`)
    else assert.equal(within, pid)
    within = what === 'begin' ? pid : undefined
  }
  assert.equal(readFileSync(log, 'utf8').match(/^end/gm)?.length, 8)
  for (const name of readdirSync(local)) await sweepTurn(local, name, uid)
  assert.deepEqual(readdirSync(local), [])
})

test('what another process has made meanwhile is taken, and nothing is made again', async (context) => {
  const local = localFolder(context)
  let made = 0
  let found: string | undefined
  const want = () =>
    inTurn(turnIn(local), {
      already: async () => found,
      body: async () => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        found = `made ${++made}`
        return found
      },
    })
  assert.deepEqual(new Set(await Promise.all([want(), want(), want()])), new Set(['made 1']))
  assert.deepEqual(readdirSync(local), [])
})

test('a failure is the failure of the one who had the turn; the next one tries again', async (context) => {
  const local = localFolder(context)
  const fail = () =>
    inTurn(turnIn(local), {
      already: async () => undefined,
      body: async () => Promise.reject(new Error('no room')),
    })
  await assert.rejects(fail(), /no room/)
  await assert.rejects(fail(), /no room/)
  assert.deepEqual(readdirSync(local), [])
})

test('a process in another container that no longer gives a sign of life does not keep everybody waiting for ever', async (context) => {
  const local = localFolder(context)
  const path = await nameOfTurn(local)
  mkdirSync(path)
  writeFileSync(`${path}/0123456789abcdef`, JSON.stringify({ ...ownIdentity(), pidNamespace: 'pid:[1]' }))
  const take = (signal: AbortSignal) =>
    inTurn({ ...turnIn(local), signal }, { already: async () => undefined, body: async () => 'done' })
  await assert.rejects(take(AbortSignal.timeout(300)), { code: 'CANCELLED' })
  const { utimesSync } = await import('node:fs')
  utimesSync(`${path}/0123456789abcdef`, 0, 0)
  assert.equal(await take(AbortSignal.timeout(5000)), 'done')
})

test('a process that hangs in its turn holds the others up for some time only', async (context) => {
  const local = localFolder(context)
  const done = await inTurn(turnIn(local), {
    already: async () => undefined,
    body: () =>
      inTurn(
        { ...turnIn(local), patienceMs: 300 },
        { already: async () => undefined, body: async () => 'not for ever' },
      ),
  })
  assert.equal(done, 'not for ever')
  assert.deepEqual(readdirSync(local), [])
})

test("a folder that is not ours, in the turn's place, is passed over", { skip: uid !== 0 }, async (context) => {
  const local = localFolder(context)
  const path = await nameOfTurn(local)
  const { chownSync } = await import('node:fs')
  mkdirSync(path)
  writeFileSync(`${path}/file`, '')
  chownSync(path, 12345, 12345)
  chmodSync(local, 0o1777)
  const result = await inTurn(turnIn(local), { already: async () => undefined, body: async () => readdirSync(local) })
  assert.equal(result.length, 2)
  assert.deepEqual(readdirSync(local), [path.slice(local.length + 1)])
})

/** The path that a turn has in this folder. */
async function nameOfTurn(local: string): Promise<string> {
  return await inTurn(turnIn(local), {
    already: async () => undefined,
    body: async () => join(local, readdirSync(local)[0]!),
  })
}
