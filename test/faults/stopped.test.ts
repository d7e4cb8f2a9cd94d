import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { copiedWorld, type Ended, listing, run, stageOf, start, succeed, type World } from '../cli/world.ts'

/** Large enough that the signal arrives in the middle: random letters, which take zstd seconds at this level. */
async function largeWorld(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  for (let n = 0; n < 12; n++) writeFileSync(`${place.prefix}/share/noise-${n}`, noise())
  // So many files that threads pack them in runs.
  for (let n = 0; n < 600; n++) writeFileSync(`${place.prefix}/share/small-${n}`, noise(10_000))
  return place
}

const noise = (size = 2_000_000): string => randomFillSync(Buffer.alloc(size)).toString('hex')

const pack = ({ prefix }: World) => ['--pack', `--prefix=${prefix}`, '--compress-level=12', '--threads=1']
const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`, '--threads=1']
const beside = ({ prefix }: World) => readdirSync(dirname(prefix))

/** Runs the program, and sends the signal as soon as `isUnderWay`. */
async function stop(place: World, args: string[], signal: NodeJS.Signals, isUnderWay: () => boolean): Promise<Ended> {
  const { child, ended } = start(place, args)
  while (!isUnderWay()) {
    assert.equal(child.exitCode, null, 'it has ended before it could be stopped')
    await sleep(1)
  }
  child.kill(signal)
  // As `timeout` does.
  setTimeout(() => child.kill(signal), 5)
  return ended
}

/** Resolves when the program has written the words to standard error, or has ended. */
const said = (child: ChildProcess, words: string): Promise<void> =>
  new Promise((resolve) => {
    child.stderr!.on('data', (text) => String(text).includes(words) && resolve()).on('close', () => resolve())
  })

/** An empty file comes first: it tests whether the folder is writable. */
const isPacking = (place: World) => () => {
  const temporary = beside(place).find((name) => name.startsWith('.tmp.'))
  const facts = temporary && statSync(`${dirname(place.prefix)}/${temporary}`, { throwIfNoEntry: false })
  return facts ? facts.size > 100_000 : false
}

/** One of the first files: nearly all of the work is still to come. */
const isExtracting =
  ({ local }: World) =>
  () =>
    readdirSync(local).some((name) => existsSync(`${local}/${name}/.extracting/bin/greet`))

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGQUIT', 131],
] as const) {
  test(`${signal} in the middle of packing ends with ${status}, and nothing is left`, async (context) => {
    const place = await largeWorld(context)
    const before = listing(place.prefix)
    const { status: got, stderr, stdout } = await stop(place, [...pack(place), '--json'], signal, isPacking(place))
    assert.equal(got, status, stderr)
    assert.match(stderr, new RegExp(`^WARNING: Stopped by ${signal}: nothing was staged or changed$`, 'm'))
    assert.equal(JSON.parse(stdout).error.code, 'CANCELLED')
    assert.deepEqual(beside(place), ['myjupyter'])
    assert.deepEqual(listing(place.prefix), before)
  })
}

test('SIGINT, SIGTERM and SIGQUIT in the middle of extracting end with 130, 143 and 131, and nothing is left', async (context) => {
  const place = await largeWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--compress-level=1'])
  const before = listing(dirname(place.prefix))
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGQUIT', 131],
  ] as const) {
    const { status: got, stderr, stdout } = await stop(place, stage(place), signal, isExtracting(place))
    assert.deepEqual([got, stdout], [status, ''], stderr)
    assert.match(stderr, /WARNING: Stopped by/)
    assert.deepEqual(readdirSync(place.local), [])
    assert.deepEqual(listing(dirname(place.prefix)), before)
  }
})

test('SIGINT after a new archive has been written says so, and the next stage uses that archive', async (context) => {
  const place = await largeWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const changedAndStopped = () => {
    appendFileSync(`${place.prefix}/conda-meta/history`, '# changed\n')
    return stop(place, stage(place), 'SIGINT', isExtracting(place))
  }
  let { status, stdout, stderr } = await changedAndStopped()
  // On a busy machine the signal may come too late.
  for (let tries = 1; status === 0 && tries < 5; tries++) {
    await succeed(place, ['--unstage', `--prefix=${stdout.trimEnd()}`])
    ;({ status, stdout, stderr } = await changedAndStopped())
  }
  assert.equal(status, 130, stderr)
  const says = `^WARNING: Stopped by SIGINT: nothing was staged; the archive ${place.archive} is complete$`
  assert.match(stderr, new RegExp(says, 'm'))
  assert.deepEqual([beside(place), readdirSync(place.local)], [['myjupyter', 'myjupyter.tar.zst'], []])
  assert.doesNotMatch((await succeed(place, stage(place))).stderr, /Packaging/)
})

test('after a packer was killed, the next one packs and removes what it left', async (context) => {
  const place = await largeWorld(context)
  assert.equal((await stop(place, pack(place), 'SIGKILL', isPacking(place))).status, 'SIGKILL')
  const lock = `${dirname(place.prefix)}/.myjupyter.tar.zst.lock`
  assert.ok(existsSync(lock) && isPacking(place)())
  // As if some time had gone by.
  utimesSync(lock, 0, 0)
  const { stderr } = await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--compress-level=1'])
  assert.doesNotMatch(stderr, /waiting/)
  assert.deepEqual(beside(place), ['myjupyter', 'myjupyter.tar.zst'])
})

test('what a killed packer left beside an archive that is fresh is removed by the next stage, whether it makes a copy or joins one', async (context) => {
  const place = await largeWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--compress-level=1'])
  for (const args of [stage(place), stage(place)]) {
    await stop(place, [...pack(place), '--force'], 'SIGKILL', isPacking(place))
    assert.equal(beside(place).length, 4)
    await succeed(place, args)
    assert.deepEqual(beside(place), ['myjupyter', 'myjupyter.tar.zst'])
  }
  assert.equal(readdirSync(place.local).length, 1)
})

test('a killed repack leaves the old archive intact, and the next one reuses it', async (context) => {
  const place = await largeWorld(context)
  await succeed(place, pack(place))
  const before = readFileSync(place.archive)
  for (let n = 0; n < 6; n++) writeFileSync(`${place.prefix}/share/new-${n}`, noise())
  assert.equal((await stop(place, pack(place), 'SIGKILL', isPacking(place))).status, 'SIGKILL')
  assert.ok(readFileSync(place.archive).equals(before))
  utimesSync(`${dirname(place.prefix)}/.myjupyter.tar.zst.lock`, 0, 0)
  const { stderr } = await succeed(place, [...pack(place), '--verbose'])
  assert.match(stderr, /INFO: Reused (\d+) of \d+ frames of the old archive; reading 6 of \d+ files/)
  assert.deepEqual(beside(place), ['myjupyter', 'myjupyter.tar.zst'])
  assert.equal((await succeed(place, ['--verify', `--prefix=${await stageOf(place)}`])).status, 0)
})

test('a killed stage leaves nothing that is taken for a stage, and the next one removes it', async (context) => {
  const place = await largeWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--compress-level=1'])
  assert.equal((await stop(place, stage(place), 'SIGKILL', isExtracting(place))).status, 'SIGKILL')
  const debris = readdirSync(place.local).find((name) => name.startsWith('conda-stage_'))
  const { stdout, stderr } = await succeed(place, [...stage(place), '--debug'])
  assert.match(stderr, new RegExp(`DEBUG: Removed what a killed conda-stage left: ${place.local}/${debris}`))
  assert.deepEqual(readdirSync(place.local), [stdout.split('/').at(-2)])
})

test('of two packers at once the second waits, and uses the archive of the first', async (context) => {
  const place = await largeWorld(context)
  const first = start(place, pack(place))
  while (!isPacking(place)()) await sleep(1)
  // It must not finish before the second one has met its lock, however slowly that one starts.
  first.child.kill('SIGSTOP')
  const second = start(place, stage(place))
  await said(second.child, 'waiting')
  first.child.kill('SIGCONT')
  const [one, two] = await Promise.all([first.ended, second.ended])
  assert.deepEqual([one.status, two.status], [0, 0], one.stderr + two.stderr)
  assert.match(two.stderr, new RegExp(`INFO: Another conda-stage is writing ${place.archive} \\(lock .*\\): waiting`))
  assert.doesNotMatch(two.stderr, /Completed/)
  assert.equal((await run(place, ['--verify', `--prefix=${two.stdout.trimEnd()}`])).status, 0)
  assert.deepEqual(beside(place), ['myjupyter', 'myjupyter.tar.zst'])
})

test('a packer that waits for another one can be stopped', async (context) => {
  const place = await copiedWorld(context)
  const lock = `${dirname(place.prefix)}/.myjupyter.tar.zst.lock`
  mkdirSync(lock)
  const { child, ended } = start(place, pack(place))
  await said(child, 'waiting')
  child.kill('SIGTERM')
  const { status, stderr } = await ended
  assert.equal(status, 143, stderr)
  rmdirSync(lock)
  assert.deepEqual(beside(place), ['myjupyter'])
})
