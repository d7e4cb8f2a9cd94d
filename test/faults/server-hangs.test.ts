/** The file server of original and archive does not answer. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { type Ended, type RunOptions, stageOf, start, succeed } from '../cli/world.ts'
import { Bash, check, type Fault, forget, pack, type Served, served, stage, untilItWaits } from './served.ts'

const skip = slowfsUnavailable() ?? false

const STOPS = { SIGINT: 130, SIGTERM: 143 } as const
type Stop = keyof typeof STOPS

/** A shell reports a program that the signal has ended in the same way as one that ends itself. The launcher is one. */
const asInShell = ({ status }: Ended): number | string => STOPS[status as Stop] ?? status

/** Runs a call until it waits for the server; then it gets the signal and has to end although nothing is answered. */
async function endsAt(place: Served, args: string[], fault: Fault, signal: Stop, options: RunOptions = {}) {
  await place.server.hang(fault)
  const { child, ended } = start(place, args, options)
  await untilItWaits(place, child)
  child.kill(signal)
  const result = await Promise.race([ended, sleep(8000).then(() => undefined)])
  await place.server.release()
  if (result === undefined) child.kill('SIGKILL')
  const what = `${args[0]}, ${signal} at ${JSON.stringify(fault)}`
  assert.ok(result, `${what}: it still waits`)
  assert.equal(asInShell(result), STOPS[signal], `${what}: ${result.stderr}`)
  assert.doesNotMatch(result.stderr, /This is a bug/)
  return what
}

/** The same as endsAt; and nothing is left. */
async function endsCleanlyAt(place: Served, args: string[], fault: Fault, signal: Stop, options: RunOptions = {}) {
  const before = place.state()
  const what = await endsAt(place, args, fault, signal, options)
  assert.deepEqual(place.state(), before, what)
}

test('a call that waits for a server ends soon after Ctrl-C or SIGTERM and leaves nothing, and the next one works', {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    const file = (kind: string) => ({ kind, name: 'greeting.txt' })
    const folder = (kind: string) => ({ kind, name: 'pkgconfig' })
    const original = { kind: 'lookup', name: 'conda-meta', after: 2 }
    await endsCleanlyAt(place, pack(place), original, 'SIGINT')
    await endsCleanlyAt(place, pack(place), file('lookup'), 'SIGTERM')
    await endsCleanlyAt(place, pack(place), folder('opendir'), 'SIGINT')
    await endsCleanlyAt(place, pack(place), folder('readdir'), 'SIGTERM')
    await endsCleanlyAt(place, pack(place), file('open'), 'SIGTERM')
    forget(`${place.behind}/${place.name}/share/greet/greeting.txt`)
    await endsCleanlyAt(place, pack(place), file('read'), 'SIGINT')
    // The launcher already looks for an environment.
    await endsCleanlyAt(place, stage(place), { ...original, after: 0 }, 'SIGTERM')
    await endsCleanlyAt(place, stage(place), file('open'), 'SIGINT')
    forget(`${place.behind}/${place.name}/share/greet/greeting.txt`)
    await endsCleanlyAt(place, stage(place), file('read'), 'SIGTERM')
    // The archive's own file.
    await endsCleanlyAt(place, stage(place), { kind: 'create' }, 'SIGINT')
    assert.deepEqual(readdirSync(place.behind), [place.name], 'no archive')
    // As many wait as the program has threads, and the lock of the archive can't be looked at, to be removed.
    await endsAt(place, pack(place), { kind: 'open' }, 'SIGINT')
    await succeed(place, pack(place))
    assert.deepEqual(readdirSync(place.behind), [place.name, `${place.name}.tar.zst`])
    rmSync(`${place.behind}/${place.name}.tar.zst`)
    assert.deepEqual(readdirSync(place.local), [], 'no copy')
    const staged = await stageOf(place)
    await endsCleanlyAt(place, check(place), file('lookup'), 'SIGTERM')
    await endsCleanlyAt(place, stage(place), original, 'SIGINT')
    const archive = `${place.name}.tar.zst`
    forget(`${place.behind}/${archive}`)
    for (const kind of ['open', 'read'])
      await endsCleanlyAt(place, [...stage(place), '--private'], { kind, name: archive }, 'SIGINT')
    forget(`${place.behind}/${archive}`)
    await endsCleanlyAt(place, ['--verify', `--output=${place.archive}`], { kind: 'read', name: archive }, 'SIGTERM')
    assert.equal(await stageOf(place), staged)
    const env = { CONDA_PREFIX: staged }
    for (const args of [['--unstage', `--prefix=${staged}`], ['--status']])
      await endsCleanlyAt(place, args, { kind: 'lookup' }, 'SIGINT', { env })
    // The home, which says where copies may be.
    await endsCleanlyAt(place, ['--list'], { kind: 'lookup' }, 'SIGTERM', {
      env: { HOME: dirname(place.prefix), XDG_CACHE_HOME: undefined },
    })
    // It was staged twice.
    for (const _ of [1, 2]) await succeed(place, ['--unstage', `--prefix=${staged}`])
    assert.deepEqual(readdirSync(place.local), [])
  })
})

test('a call that waits for a server says once for which path, and goes on when it answers', {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    await place.server.hang({ kind: 'open', name: 'greeting.txt' })
    const { child, ended } = start(place, pack(place))
    await new Promise<void>((resolve) => child.stderr!.on('data', (text) => /Still waiting/.test(text) && resolve()))
    await sleep(1500)
    await place.server.release()
    const { status, stderr } = await ended
    assert.equal(status, 0, stderr)
    const said = `WARNING: Still waiting for ${place.prefix}/share/greet/greeting.txt: its file system does not answer\n`
    assert.equal(stderr.split(said).length, 2, stderr)
    assert.equal(stderr.split('Still waiting').length, 2, stderr)
  })
})

test('Ctrl-C ends what the shell function waits for, and the session goes on where it was', {
  skip,
}, async (context) => {
  await served(context, async (place) => {
    const { server, prefix, local } = place
    using bash = await Bash.start(place)
    const stageIt = `conda-stage --path='${local}'`
    await server.hang({ kind: 'open', name: 'greeting.txt' })
    assert.ok((await bash.run(stageIt, { interrupted: true })).endsWith(`status 130 in ${prefix}.\n`))
    assert.deepEqual(readdirSync(local), [])
    await server.release()
    const staged = await bash.run(stageIt)
    assert.match(staged, new RegExp(`status 0 in ${local}/.*/${place.name}\\.\n$`))
    await server.hang({})
    const unstaged = await bash.run('conda-stage --unstage', { interrupted: true })
    assert.equal(unstaged.split('status ')[1], staged.split('status ')[1]!.replace(/^0/, '130'))
    await server.release()
    assert.ok((await bash.run('conda-stage --unstage')).endsWith(`status 0 in ${prefix}.\n`))
    await bash.end()
    assert.deepEqual(readdirSync(local), [])
  })
})
