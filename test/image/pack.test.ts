/** `--pack --format=squashfs` on the command line: images are found, checked and trusted as archives are. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { copiedWorld, fails, MOUNTING, run, start, succeed, type World } from '../cli/world.ts'
import { script, verified } from './support.ts'

const imageOf = ({ prefix }: World): string => `${prefix}.sqfs`

const pack = (place: World, ...args: string[]) =>
  succeed(place, ['--pack', '--format=squashfs', `--prefix=${place.prefix}`, ...args])

async function stateOf(place: World): Promise<{ path: string; state: string; reason?: string }> {
  const { stdout } = await succeed(place, ['--status', '--format=squashfs', `--prefix=${place.prefix}`, '--json'])
  return JSON.parse(stdout).archive
}

test('an image is made beside the environment, is up to date at the next call, and is made again when the environment has changed', async (context) => {
  const place = await copiedWorld(context)
  const { stderr } = await pack(place)
  assert.match(stderr, new RegExp(`INFO: Packed ${place.prefix} into ${imageOf(place)} `))
  assert.deepEqual((await verified(imageOf(place))).findings, [])
  const before = statSync(imageOf(place))
  assert.match((await pack(place)).stderr, /up to date/)
  assert.equal(statSync(imageOf(place)).ino, before.ino)
  assert.deepEqual(await stateOf(place), { path: imageOf(place), state: 'fresh' })
  writeFileSync(`${place.prefix}/conda-meta/history`, 'another package')
  assert.equal((await stateOf(place)).state, 'out of date')
  assert.match((await pack(place)).stderr, /is out of date: /)
  assert.deepEqual(await stateOf(place), { path: imageOf(place), state: 'fresh' })
})

test('the full check notices a file that was edited in place, for an image as for an archive', async (context) => {
  const place = await copiedWorld(context)
  const file = `${place.prefix}/share/greet/edited`
  await pack(place)
  const { index } = await verified(imageOf(place))
  const other = index.entries.filter(({ type, path }) => type === 'file' && path.startsWith('lib/')).at(-1)!
  assert.ok(!existsSync(file))
  const bytes = readFileSync(`${place.prefix}/${other.path}`)
  chmodSync(`${place.prefix}/${other.path}`, 0o644)
  writeFileSync(`${place.prefix}/${other.path}`, bytes)
  const { stderr } = await pack(place, '--check=full')
  assert.match(stderr, /is out of date: /)
  assert.match((await pack(place, '--check=full')).stderr, /up to date/)
})

test('an image is made of the archive if that is fresh, and of the environment if it is not or is damaged', async (context) => {
  const place = await copiedWorld(context)
  const from = /Making the image from/
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  assert.match((await pack(place, '--verbose')).stderr, from)
  assert.deepEqual((await verified(imageOf(place))).findings, [])
  rmSync(imageOf(place))
  const archive = readFileSync(place.archive)
  const damaged = Buffer.from(archive)
  damaged[archive.length >> 2]! ^= 1
  writeFileSync(place.archive, damaged)
  assert.match(
    (await pack(place, '--verbose')).stderr,
    /WARNING: The archive .* is damaged: .*Reading the environment instead/,
  )
  assert.deepEqual((await verified(imageOf(place))).findings, [])
  rmSync(imageOf(place))
  writeFileSync(place.archive, archive)
  writeFileSync(`${place.prefix}/conda-meta/history`, 'another package')
  assert.doesNotMatch((await pack(place, '--verbose')).stderr, from)
})

test('an image that is made of the archive opens none of the files of the original', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const place = await copiedWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const slow = await mountSlow(place.prefix, place.prefix, { latencyMs: 0 })
  try {
    await slow.reset()
    await pack(place)
    const { open = 0, read = 0 } = await slow.counters()
    assert.deepEqual([open, read], [0, 0])
  } finally {
    await slow.unmount()
  }
  assert.deepEqual((await verified(imageOf(place))).findings, [])
})

test('--output with the ending .squashfs makes an image, and what --exclude names is not in it', async (context) => {
  const place = await copiedWorld(context)
  const output = `${place.root}/mine.squashfs`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${output}`, '--exclude=conda-meta/*'])
  const { index, findings } = await verified(output)
  assert.deepEqual(findings, [])
  assert.ok(index.entries.every(({ path }) => !path.startsWith('conda-meta/')))
  assert.ok(index.entries.every(({ path }) => path !== 'bin/activate'))
})

test('an image is not extracted: staging from one is wrong usage, and the message says what uses it', async (context) => {
  const place = await copiedWorld(context)
  await fails(place, [`--prefix=${place.prefix}`, `--path=${place.local}`, '--format=squashfs'], {
    code: 'USAGE',
    status: 2,
    says: 'mounted and not extracted',
    hint: '--help',
  })
})

test('without a program that makes images the message names the packages, and the environment’s own is not taken', async (context) => {
  const place = await copiedWorld(context)
  const own = script(`${place.prefix}/bin`, ['touch "$0.ran"', 'exit 1'])
  const nowhere = [
    'unshare',
    '-rm',
    'sh',
    '-ec',
    'mount -t tmpfs none /usr/sbin; mount --bind /dev/null /usr/bin/mksquashfs; mount --bind /dev/null /usr/bin/tar2sqfs; exec "$0" "$@"',
  ]
  const ended = await run(place, ['--pack', '--format=squashfs', `--prefix=${place.prefix}`], {
    env: { PATH: `${place.prefix}/bin:/usr/bin:/bin` },
    inside: nowhere,
  })
  assert.equal(ended.status, 1, ended.stderr)
  assert.match(ended.stderr, /Neither mksquashfs nor tar2sqfs is here/)
  assert.match(ended.stderr, /Install the package squashfs-tools \(or squashfs-tools-ng\)/)
  assert.ok(!existsSync(`${own}.ran`))
  assert.ok(!existsSync(imageOf(place)))
})

test('CONDA_STAGE_MKSQUASHFS names the program, and a name that is none is told', async (context) => {
  const place = await copiedWorld(context)
  const program = script(place.root, ['touch "$0.ran"', 'exec /usr/bin/mksquashfs "$@"'])
  const args = ['--pack', '--format=sqfs', `--prefix=${place.prefix}`]
  await fails(
    place,
    args,
    { code: 'NO_PROGRAM', says: 'names no program', hint: 'unset it' },
    { env: { CONDA_STAGE_MKSQUASHFS: `${place.root}/none` } },
  )
  await succeed(place, args, { env: { CONDA_STAGE_MKSQUASHFS: program } })
  assert.ok(existsSync(`${program}.ran`))
})

test('--verify finds one changed byte in an image, and a cut image is left alone', async (context) => {
  const place = await copiedWorld(context)
  await pack(place)
  const args = ['--verify', '--format=squashfs', `--prefix=${place.prefix}`]
  assert.match((await succeed(place, args)).stderr, /is sound: \d+ files, .* made by conda-stage \(0 harmless/)
  const bytes = readFileSync(imageOf(place))
  const changed = Buffer.from(bytes)
  changed[bytes.length >> 2]! ^= 0x10
  writeFileSync(imageOf(place), changed)
  const { status, stdout } = await run(place, args)
  assert.equal(status, 1)
  assert.match(stdout, /^MATTERS {3}archive: the frame at bytes \d+ to \d+ can't be read/m)
  assert.match(stdout, /MATTERS .*(has other bytes than were packed|can't be read)/)
  writeFileSync(imageOf(place), bytes.subarray(0, bytes.length - 1000))
  const { stderr } = await pack(place)
  assert.match(stderr, new RegExp(`Packed ${place.prefix} into ${place.root}/cache/`))
})

test('--status tells of the image beside the archive, and of none if there is none', async (context) => {
  const place = await copiedWorld(context)
  const args = ['--status', `--prefix=${place.prefix}`]
  assert.doesNotMatch((await succeed(place, args)).stdout, /^image:/m)
  await pack(place)
  assert.match((await succeed(place, args)).stdout, new RegExp(`^image: +${imageOf(place)} \\(fresh\\)$`, 'm'))
})

test('an image that others can write is not used', async (context) => {
  const place = await copiedWorld(context)
  await pack(place)
  chmodSync(imageOf(place), 0o666)
  const { state, reason } = await stateOf(place)
  assert.equal(state, 'unusable')
  assert.match(reason!, /other users can write to it/)
})

test('old images go from the folder of archives as old archives do', async (context) => {
  const place = await copiedWorld(context)
  const file = `${place.root}/home/me/.config/conda-stage/config.yaml`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `archive-folder: ${place.root}/archives\n`)
  await pack(place)
  const { path } = await stateOf(place)
  assert.match(path, /-[0-9a-f]{12}\.sqfs$/)
  const old = path.replace('myjupyter', 'another')
  renameSync(path, old)
  utimesSync(old, 1e9, 1e9)
  writeFileSync(file, `archive-folder: ${place.root}/archives\nretention-days: 1\n`)
  const { stderr } = await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  assert.match(stderr, /Removed an archive that had not been used for a long time: .*another-[0-9a-f]{12}\.sqfs/)
  assert.ok(!existsSync(old))
})

test('what a killed pack of an image leaves is removed: its file by the next pack, what it unpacked by the next sweep', async (context) => {
  const place = await copiedWorld(context)
  const old = script(place.root, [
    'if [ "$1" = -help ]; then echo none; exit; fi',
    `touch ${place.root}/up`,
    'exec sleep 20',
  ])
  const env = { CONDA_STAGE_MKSQUASHFS: old, CONDA_STAGE_PATH: place.local }
  const { child, ended } = start(place, ['--pack', '--format=squashfs', `--prefix=${place.prefix}`], { env })
  while (!existsSync(`${place.root}/up`)) await sleep(20)
  child.kill('SIGKILL')
  await ended
  const beside = dirname(place.prefix)
  assert.ok(readdirSync(beside).some((name) => name.startsWith('.tmp.myjupyter.sqfs.')))
  assert.deepEqual(readdirSync(place.local).length, 1)
  await pack(place)
  assert.deepEqual(readdirSync(beside).sort(), ['myjupyter', 'myjupyter.sqfs'])
  await succeed(place, ['--clean', `--path=${place.local}`])
  assert.deepEqual(readdirSync(place.local), [])
})

test('an image that does not fit on its disk leaves nothing there, and the message says so', async (context) => {
  const place = await copiedWorld(context)
  writeFileSync(`${place.prefix}/lib/noise`, randomBytes(3_000_000))
  const disk = `${place.root}/disk`
  mkdirSync(disk)
  const ended = await run(place, ['--pack', `--prefix=${place.prefix}`, `--output=${disk}/mine.sqfs`], {
    inside: [...MOUNTING, `mount -t tmpfs -o size=1m none ${disk}; "$0" "$@" || { s=$?; ls -A ${disk}; exit $s; }`],
  })
  assert.equal(ended.status, 1, ended.stderr)
  assert.match(ended.stderr, new RegExp(`ERROR: The archive ${disk}/mine.sqfs can't be written: .*No space left`))
  assert.equal(ended.stdout, '')
})
