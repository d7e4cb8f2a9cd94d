import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { copiedWorld, fails, MOUNTING, run, succeed, type World } from '../cli/world.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'

const isRoot = process.getuid!() === 0
const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]

/** Goes in front of the program: mounts a small disk on the local folder, which only the program sees. */
const onSmallDisk = ({ local }: World, options: string) => [
  ...MOUNTING,
  `mount -t tmpfs -o ${options} tmpfs "$1"; shift; exec "$@"`,
  'sh',
  local,
]

test('an unwritable local folder is reported as such before anything is packed', async (context) => {
  const place = await copiedWorld(context)
  chmodSync(place.local, 0o555)
  const expected = {
    code: 'TARGET_UNWRITABLE',
    path: place.local,
    says: '(from --path) is not writable for you',
    hint: '--path or CONDA_STAGE_PATH',
  } as const
  await fails(place, stage(place), expected, { inside: UNPRIVILEGED })
  assert.equal(existsSync(place.archive), false)
  const variable = { inside: UNPRIVILEGED, env: { CONDA_STAGE_PATH: place.local } }
  await fails(place, [`--prefix=${place.prefix}`], { ...expected, says: '(from CONDA_STAGE_PATH)' }, variable)
})

test('a --path below a missing folder, or one that is a file, is reported as such, and nothing is created', async (context) => {
  const place = await copiedWorld(context)
  const of = (path: string) => [`--prefix=${place.prefix}`, `--path=${path}`]
  const missing = `${place.root}/missing/local`
  await fails(place, of(missing), {
    code: 'TARGET_UNWRITABLE',
    path: missing,
    says: `${place.root}/missing does not exist`,
    hint: '--path',
  })
  assert.equal(existsSync(`${place.root}/missing`), false)
  const file = `${place.root}/file`
  writeFileSync(file, '')
  await fails(place, of(file), { code: 'TARGET_UNWRITABLE', path: file, says: 'is not a folder', hint: '--path' })
})

test('a missing folder that --path names is created, and removed again if staging fails', async (context) => {
  const place = await copiedWorld(context)
  const path = `${place.root}/new`
  await run(place, ['--prefix=/nowhere', `--path=${path}`])
  assert.equal(existsSync(path), false)
  const { stdout } = await succeed(place, [`--prefix=${place.prefix}`, '--path=new'], { cwd: place.root })
  assert.ok(stdout.startsWith(`${path}/conda-stage_`))
})

test('a local folder of another user, or one in which everybody may rename files, is refused', {
  skip: !isRoot && 'needs root, to give folders away',
}, async (context) => {
  const place = await copiedWorld(context)
  const expected = { code: 'TARGET_UNSAFE', path: place.local, hint: 'Name a folder of your own' } as const
  chmodSync(place.local, 0o777)
  await fails(place, stage(place), { ...expected, says: 'no sticky bit' })
  chmodSync(place.local, 0o755)
  chownSync(place.local, 65533, 65533)
  await fails(place, stage(place), { ...expected, says: 'another user (uid 65533)' })
})

test('a folder on a network file system is refused as the local folder', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const place = await copiedWorld(context)
  const [source, point] = [`${place.root}/server`, `${place.root}/net`]
  mkdirSync(source)
  mkdirSync(point)
  const mount = await mountSlow(source, point, { latencyMs: 0 })
  try {
    const says = 'is on a network file system (fuse.slowfs)'
    const expected = { code: 'TARGET_NETWORK', path: point, says, hint: 'local disk with --path' } as const
    await fails(place, [`--prefix=${place.prefix}`, `--path=${point}`], expected)
    assert.deepEqual(readdirSync(source), [])
  } finally {
    await mount.unmount()
  }
})

test('an environment and an archive on a network file system are staged from there', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const place = await copiedWorld(context)
  const mount = await mountSlow(`${place.root}/home`, `${place.root}/home`, { latencyMs: 0 })
  try {
    await succeed(place, stage(place))
    assert.doesNotMatch((await succeed(place, stage(place))).stderr, /Packaging/)
  } finally {
    await mount.unmount()
  }
})

test('a disk without room for the environment is reported as such before anything is written there', async (context) => {
  const place = await copiedWorld(context)
  writeFileSync(`${place.prefix}/share/big`, Buffer.alloc(2_000_000))
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const says = /has too little room: [\d.]+ MB needed, [\d.]+ MB available/
  const expected = { code: 'NO_SPACE', path: place.local, says, hint: 'Free some room there, or name another' } as const
  await fails(place, stage(place), expected, { inside: onSmallDisk(place, 'size=1m') })
})

test('a disk without inodes for the environment is reported as such before anything is written there', async (context) => {
  const place = await copiedWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const expected = {
    code: 'NO_INODES',
    path: place.local,
    says: /\d+ inodes needed, 1\d available/,
    hint: 'Free some room',
  } as const
  await fails(place, stage(place), expected, { inside: onSmallDisk(place, 'nr_inodes=20') })
})

test('a disk from which no program can run is refused', async (context) => {
  const place = await copiedWorld(context)
  const expected = { code: 'TARGET_NOEXEC', path: place.local, says: 'is mounted noexec', hint: '--path' } as const
  await fails(place, stage(place), expected, { inside: onSmallDisk(place, 'noexec') })
})

test('a disk that runs full while the archive is written is reported as such, and nothing is left of the archive', async (context) => {
  const place = await copiedWorld(context)
  writeFileSync(`${place.prefix}/share/noise`, randomFillSync(Buffer.alloc(3_000_000)))
  const output = `${place.local}/my.tar.zst`
  const script = `mount -t tmpfs -o size=1m tmpfs "$1"; disk=$1; shift; status=0; "$@" || status=$?; ls -A "$disk" >&2; exit $status`
  const expected = {
    code: 'NO_SPACE',
    path: output,
    says: /the file system is full$/,
    hint: /^Make room there.*--output=FILE\n$/s,
  } as const
  await fails(place, ['--pack', `--prefix=${place.prefix}`, `--output=${output}`], expected, {
    inside: [...MOUNTING, script, 'sh', place.local],
  })
})
