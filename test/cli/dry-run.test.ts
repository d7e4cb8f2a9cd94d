import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { copiedWorld, fails, listing, run, stageOf, succeed, type World } from './world.ts'

const dryRun = ({ prefix, local }: World, ...more: string[]) => [
  '--dry-run',
  `--prefix=${prefix}`,
  `--path=${local}`,
  ...more,
]

test('--dry-run shows archive, size, target and time, before and after packing, and writes nothing', async (context) => {
  const place = await copiedWorld(context)
  const before = listing(place.root)
  const { stdout, stderr } = await succeed(place, dryRun(place))
  assert.deepEqual(listing(place.root), before)
  const lines = [
    `original: +${place.prefix}`,
    `archive: +${place.archive} \\(missing: it would be written\\)`,
    'size: +(\\d+) files, [\\d.]+ MB',
    `local folder: +${place.local} \\(from --path; [\\d,]+ MB available\\)`,
    'time: +about 1 second',
  ]
  assert.match(stdout, new RegExp(`^${lines.join('\n')}\n$`))
  assert.match(stderr, /INFO: --dry-run: nothing was written\n$/)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const size = (text: string) => /size: .*/.exec(text)![0]
  const again = (await succeed(place, dryRun(place))).stdout
  assert.match(again, /archive: +\S+ \(fresh, [\d.]+ MB\)/)
  assert.equal(size(again), size(stdout))
  writeFileSync(`${place.prefix}/conda-meta/history`, '')
  assert.match((await succeed(place, dryRun(place))).stdout, /archive: +\S+ \(out of date, it would be written again: /)
})

test('--dry-run fails as staging would, if the disk has no room', async (context) => {
  const place = await copiedWorld(context)
  const inside = [
    'unshare',
    '-rm',
    'sh',
    '-ec',
    'mount -t tmpfs -o size=64k tmpfs "$1"; shift; exec "$@"',
    'sh',
    place.local,
  ]
  await fails(place, dryRun(place), { code: 'NO_SPACE', path: place.local, hint: '--path' }, { inside })
})

test('--dry-run --json gives the numbers to programs, and with --pack leaves the local folder out', async (context) => {
  const place = await copiedWorld(context)
  const json = async (...more: string[]) => JSON.parse((await succeed(place, dryRun(place, '--json', ...more))).stdout)
  const staging = await json()
  assert.deepEqual(
    [staging.dryRun, staging.original, staging.archive.state, staging.local.path, staging.isLeast],
    [true, place.prefix, 'missing', place.local, false],
  )
  assert.ok(staging.files > 10 && staging.bytes > 10_000 && staging.seconds > 0)
  const packing = await json('--pack')
  assert.deepEqual([packing.files, packing.local], [staging.files, undefined])
})

test('--dry-run in a staged session says that the environment is staged already, as staging would', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place)
  // The process that holds a lock on the copy begins when the call has ended.
  while (!readdirSync(dirname(staged)).some((name) => name.startsWith('.guard-'))) await sleep(20)
  const before = listing(place.root)
  const { stderr } = await succeed(place, ['--dry-run'], { env: { CONDA_PREFIX: staged } })
  assert.match(stderr, /^INFO: Already staged: /)
  assert.deepEqual(listing(place.root), before)
})

test('--dry-run with any other action is wrong usage', async (context) => {
  const place = await copiedWorld(context)
  const { status, stderr } = await run(place, ['--dry-run', '--unstage', '--prefix=/x'])
  assert.equal(status, 2)
  assert.match(stderr, /--dry-run works only with --stage, --pack, --clean, --retire and --restore/)
})

test('on a slow file system --dry-run looks at no file, and gives the least by the records of conda', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const place = await copiedWorld(context)
  const mount = await mountSlow(place.prefix, place.prefix, { latencyMs: 3 })
  try {
    const { stdout } = await succeed(place, dryRun(place))
    assert.match(stdout, /size: +at least \d+ files, [\d.]+ MB \(by conda's records\)/)
  } finally {
    await mount.unmount()
  }
})
