import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir, rmdir, utimes } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { removeLeftoversOfDead } from '../../src/cache/leftovers.ts'
import { type LockOptions, withArchiveLock } from '../../src/cache/lock.ts'
import type { StageError } from '../../src/errors.ts'
import { workFolder } from '../archive/support.ts'
import { packer } from './packers.ts'

const HOUR_MS = 3_600_000

async function place(context: TestContext) {
  const folder = await workFolder(context)
  return { folder, path: `${folder}/demo.tar.zst`, lock: `${folder}/.demo.tar.zst.lock` }
}

/** How long it took to get the lock, or the error that says why not. */
async function timeToLock(path: string, options: LockOptions = {}): Promise<number | StageError> {
  const started = performance.now()
  return await withArchiveLock(path, options, async () => performance.now() - started).catch((error) => error)
}

test('the lock of a packer that was killed on this machine is taken over at once', async (context) => {
  const { folder, path } = await place(context)
  const { child, said } = packer(context, path, 'killed', 60_000)
  await said('writing')
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  const time = await timeToLock(path, { onWait: () => assert.fail('waited') })
  assert.equal(typeof time, 'number', String(time))
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('lock')),
    [],
  )
})

for (const [clock, ahead] of Object.entries({ 'an hour behind': -HOUR_MS, right: 0, 'an hour ahead': HOUR_MS })) {
  test(`the lock of a living packer is not taken from it, and that of a dead one is, if the clock of its node is ${clock}`, async (context) => {
    const { path, lock } = await place(context)
    await mkdir(lock)
    const renew = () => {
      const now = new Date(Date.now() + ahead)
      return utimes(lock, now, now)
    }
    await renew()
    const renewal = setInterval(renew, 400)
    const living = await timeToLock(path, { staleMs: 1500, patienceMs: 4000 })
    clearInterval(renewal)
    assert.equal((living as StageError).code, 'LOCKED')
    const dead = await timeToLock(path, { staleMs: 1500, patienceMs: 20_000 })
    assert.ok(typeof dead === 'number' && dead >= 1000 && dead < 10_000, String(dead))
  })
}

test('two hosts whose clocks are an hour apart pack into the same folder one after the other', async (context) => {
  const { folder, path } = await place(context)
  const host = (name: string, ahead: number) => ({
    inside: [
      'unshare',
      ...(process.getuid!() === 0 ? [] : ['-r']),
      '-u',
      'sh',
      '-c',
      `hostname ${name}; exec "$@"`,
      'sh',
    ],
    ahead,
  })
  const first = packer(context, path, 'first', 5000, host('one', HOUR_MS))
  await first.said('writing')
  const second = packer(context, path, 'second', 0, host('two', -HOUR_MS))
  await second.said('done')
  assert.deepEqual(second.words, ['waiting', 'writing', 'done'])
  assert.ok(first.words.includes('done'))
  assert.deepEqual(readdirSync(folder), ['demo.tar.zst'])
})

const IN_THE_WAY: Record<string, (lock: string) => unknown> = {
  'a file': (lock) => writeFileSync(lock, ''),
  'a link': (lock) => symlinkSync('/etc', lock),
  'a link that leads nowhere': (lock) => symlinkSync('nowhere', lock),
  'a FIFO': (lock) => spawnSync('mkfifo', [lock]),
  'a folder with something in it': (lock) => mkdirSync(`${lock}/precious`, { recursive: true }),
  'a folder with a FIFO for its holder': (lock) => {
    mkdirSync(`${lock}/precious`, { recursive: true })
    spawnSync('mkfifo', [`${lock}/holder.json`])
  },
}

for (const [what, make] of Object.entries(IN_THE_WAY))
  test(`${what} in the place of the lock is named, left alone, and holds nobody up for long`, async (context) => {
    const { path, lock } = await place(context)
    make(lock)
    const { ino } = lstatSync(lock)
    const error = (await timeToLock(path, { staleMs: 1000 })) as StageError
    assert.equal(error.code, 'LOCKED', String(error))
    assert.match(
      error.message,
      new RegExp(`^${lock} is in the way: it is .* and belongs to .*uid ${process.getuid!()}`),
    )
    assert.match(error.hint ?? '', new RegExp(`rm -r '${lock}'`))
    assert.equal(lstatSync(lock).ino, ino)
    if (what.startsWith('a folder')) assert.ok(readdirSync(lock).includes('precious'))
  })

test('nobody waits for the lock of a user whose archive would be of no use, and it is not removed', async (context) => {
  const { path, lock } = await place(context)
  await mkdir(lock)
  const options = { owners: [process.getuid!() + 1], onWait: () => assert.fail('waited') }
  if (process.getuid!() === 0) spawnSync('chown', ['54322', lock])
  const error = (await timeToLock(path, options)) as StageError
  assert.equal(error.code, 'LOCKED')
  await rmdir(lock)
})

test('a lock that older versions made, without the name of its holder, is taken over when it is not renewed', async (context) => {
  const { path, lock } = await place(context)
  await mkdir(lock)
  utimesSync(lock, 0, 0)
  assert.equal(typeof (await timeToLock(path, { staleMs: 1000 })), 'number')
})

test('a lock that its packer was killed while giving back is removed by the next call, and takes nothing from a packer that comes just then', async (context) => {
  const { path, lock } = await place(context)
  mkdirSync(lock)
  await removeLeftoversOfDead(path)
  assert.ok(!existsSync(lock))
  let isOver = false
  const others = async () => {
    while (!isOver) await removeLeftoversOfDead(path)
  }
  const removing = Promise.all([others(), others()])
  for (let n = 0; n < 200; n++) assert.equal(typeof (await timeToLock(path)), 'number')
  isOver = true
  await removing
  assert.ok(!existsSync(lock))
})
