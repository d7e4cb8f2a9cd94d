/**
 * Two hosts, each with its name, processes and clock, share a file server without POSIX locks. Both belong to one machine, so they
 * have its boot in common; since they don't see each other's processes, that tells them nothing.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { packer } from '../cache/packers.ts'
import { type RunOptions, start, succeed } from '../cli/world.ts'
import { NEEDS_ROOT } from '../platform/other-users.ts'
import { pack, type Served, served, untilItWaits } from './served.ts'

const skip = NEEDS_ROOT || (slowfsUnavailable() ?? false)
const HOUR_MS = 3_600_000

const hostNamed = (name: string) => [
  'unshare',
  '-upf',
  '--mount-proc',
  '--kill-child',
  'sh',
  '-c',
  `hostname ${name}; exec "$@"`,
  'sh',
]

/** How to run the program on a host whose clock goes ahead. */
function host({ root }: Served, name: string, aheadMs: number): RunOptions {
  const node = `${root}/node`
  const clock = new URL('clock-ahead.ts', import.meta.url).pathname
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' --import '${clock}' "$@"\n`)
  chmodSync(node, 0o755)
  return { inside: hostNamed(name), env: { CONDA_STAGE_NODE: node, CLOCK_AHEAD_MS: String(aheadMs) } }
}

for (const [what, first, second] of [
  ['the first is an hour ahead', HOUR_MS, 0],
  ['the second is an hour ahead', 0, HOUR_MS],
] as const)
  test(`two hosts that stage one environment at once pack it once and both get a whole copy, if the clock of ${what}`, {
    skip,
  }, async (context) => {
    await served(context, async (place) => {
      const stage = (name: string) => {
        mkdirSync(`${place.local}/${name}`)
        return [`--prefix=${place.prefix}`, `--path=${place.local}/${name}`]
      }
      await place.server.hang({ kind: 'read', name: 'greeting.txt' })
      const one = start(place, stage('one'), host(place, 'one', first))
      await untilItWaits(place, one.child)
      const two = start(place, stage('two'), host(place, 'two', second))
      await new Promise<void>((resolve) => two.child.stderr!.on('data', (text) => /wait/i.test(text) && resolve()))
      await place.server.release()
      for (const { status, stdout, stderr } of await Promise.all([one.ended, two.ended])) {
        assert.equal(status, 0, stderr)
        await succeed(place, ['--verify', `--prefix=${stdout.trimEnd()}`])
      }
      assert.doesNotMatch((await two.ended).stderr, /Completed/)
      assert.deepEqual(readdirSync(place.behind).sort(), [place.name, `${place.name}.tar.zst`])
      await succeed(place, ['--verify', `--output=${place.archive}`])
      // Whatever its clock says, the archive is as new as the environment.
      for (const ahead of [first, second]) {
        const { stderr } = await succeed(place, pack(place).slice(0, 2), host(place, 'three', ahead))
        assert.match(stderr, /up to date/)
      }
    })
  })

for (const aheadMs of [-HOUR_MS, HOUR_MS])
  test(`the lock of a host that was killed holds another one up for seconds only, and what it left goes later, with a clock ${aheadMs / 60_000} minutes ahead`, {
    skip,
  }, async (context) => {
    await served(context, async ({ prefix, behind, name }) => {
      const path = `${prefix}.demo.tar.zst`
      const killed = packer(context, path, 'killed', 60_000, { inside: hostNamed('one'), ahead: aheadMs })
      await killed.said('writing')
      killed.child.kill('SIGKILL')
      const next = packer(context, path, 'next', 0, { inside: hostNamed('two') })
      await next.said('done')
      assert.deepEqual(next.words, ['waiting', 'writing', 'done'])
      const [left, ...others] = readdirSync(behind).filter((each) => each !== name)
      // It could still be written: nobody here knows.
      assert.match(left!, /^\.tmp\..*\.one-/)
      assert.deepEqual(others, [`${name}.demo.tar.zst`])
      const past = new Date(Date.now() - 11 * 60_000)
      utimesSync(`${behind}/${left}`, past, past)
      await packer(context, path, 'last', 0, { inside: hostNamed('three'), ahead: -aheadMs }).said('done')
      assert.deepEqual(readdirSync(behind).sort(), [name, `${name}.demo.tar.zst`])
    })
  })
