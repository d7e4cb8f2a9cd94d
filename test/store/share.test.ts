/** What users see of files that their copies on a node have in common. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { copiedWorld, LAUNCHER, run, stageOf, start, startCommand, succeed, type World } from '../cli/world.ts'

/** Something that is much larger than all else in the environment. */
const LARGE = Buffer.alloc(3_000_000, 'no prefix in this')

async function largeWorld(context: TestContext): Promise<World> {
  const world = await copiedWorld(context)
  writeFileSync(join(world.prefix, 'lib/large'), LARGE)
  return world
}

/** As a package manager does it. */
const change = ({ prefix }: World): void => writeFileSync(join(prefix, `conda-meta/new-${Date.now()}.json`), '{}')

const inode = (prefix: string): number => lstatSync(join(prefix, 'lib/large')).ino

test('a new version of a staged environment takes up the room of what changed, and says so; the old one can go', async (context) => {
  const world = await largeWorld(context)
  const old = await stageOf(world, [`--session=${process.pid}`])
  change(world)
  const { stdout, stderr } = await succeed(world, [`--prefix=${world.prefix}`, `--path=${world.local}`])
  const copy = stdout.trimEnd()
  assert.notEqual(copy, old)
  assert.equal(inode(copy), inode(old))
  assert.match(
    stderr,
    /INFO: Shares \d+ of \d+ files \(3\.\d MB\) with other copies on this node: they take up no room of their own\n/,
  )
  const { stdout: list } = await succeed(world, ['--list', `--path=${world.local}`])
  assert.match(list, new RegExp(`${copy}\\n +of ${world.prefix}, 3\\.\\d MB, 3\\.\\d MB of it shared with others, `))
  await succeed(world, ['--unstage', `--prefix=${old}`, `--session=${process.pid}`])
  assert.deepEqual(readFileSync(join(copy, 'lib/large')), LARGE)
  await succeed(world, ['--verify', `--prefix=${copy}`])
})

test('another environment shares what it has in common with a staged one, in whatever folder it was made', async (context) => {
  const world = await largeWorld(context)
  const first = await stageOf(world)
  const other = `${world.prefix}-second`
  execFileSync('cp', ['-a', world.prefix, other])
  // The first time, when all of it has to be read for its archive, and the second time.
  for (const isFirst of [true, false]) {
    const { stdout } = await succeed(world, [`--prefix=${other}`, `--path=${world.local}`])
    const second = stdout.trimEnd()
    assert.equal(inode(second), inode(first), `${isFirst}`)
    assert.notEqual(lstatSync(join(second, 'conda-meta/history')).ino, lstatSync(join(first, 'conda-meta/history')).ino)
    await succeed(world, ['--verify', `--prefix=${second}`])
    await succeed(world, ['--unstage', '--force', `--prefix=${second}`])
  }
})

test('on a disk with reflinks, files with another time, and files with the prefix, share their blocks', async (context) => {
  const world = await largeWorld(context)
  writeFileSync(join(world.prefix, 'lib/named'), `${world.prefix}\n${'x'.repeat(3_000_000)}`)
  const [image, disk] = [join(world.root, 'image'), join(world.root, 'd')]
  mkdirSync(disk)
  writeFileSync(image, '')
  truncateSync(image, 200_000_000)
  // Only root can mount a disk; the mount goes with the last process.
  const script = `mkfs.btrfs -q "$1" && mount -o loop "$1" "$2" && shift 2
    old=$("$@") && cp -p lib/large lib/aside && touch -d 2001-01-01 lib/aside && mv lib/aside lib/large &&
    echo '{}' > conda-meta/new-1.json && new=$("$@") && sync && btrfs filesystem du --raw -s "$new" && cmp lib/large "$new/lib/large" &&
    head -n 1 "$new/lib/named" && "$1" --verify --prefix="$new" && "$1" --verify --prefix="$old" && printf '%s\n' "$new"`
  const call = [LAUNCHER, `--prefix=${world.prefix}`, `--path=${disk}`]
  const inside = ['unshare', '-m', '--propagation=private', 'sh', '-ec', script, 'sh', image, disk]
  const { status, stdout, stderr } = await startCommand(world, [...inside, ...call], {
    cwd: world.prefix,
    env: { PATH: `${world.env.PATH}:/usr/sbin` },
  }).ended
  assert.equal(status, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  const [total, exclusive, shared] = lines
    .find((line) => /^ *\d/.test(line))!
    .trim()
    .split(/\s+/)
    .map(Number)
  assert.ok(shared! > 5_900_000 && exclusive! < total! / 5, stdout)
  assert.equal(lines.filter((line) => line === lines.at(-1)).length, 2, stdout)
})

test('a shared file that somebody changed shows in each copy, by --verify', async (context) => {
  const world = await largeWorld(context)
  const old = await stageOf(world)
  change(world)
  const copy = await stageOf(world)
  chmodSync(join(copy, 'lib/large'), 0o644)
  writeFileSync(join(copy, 'lib/large'), 'changed')
  for (const prefix of [old, copy]) {
    const { status, stdout, stderr } = await run(world, ['--verify', `--prefix=${prefix}`])
    assert.equal(status, 1)
    assert.match(stdout + stderr, /lib\/large/)
  }
})

test('a writable copy shares nothing, in neither direction', async (context) => {
  const world = await largeWorld(context)
  const writable = await stageOf(world, ['--writable'])
  const copy = await stageOf(world)
  const another = await stageOf(world, ['--writable'])
  assert.equal(new Set([writable, copy, another].map(inode)).size, 3)
})

for (const errno of ['EMLINK', 'EXDEV', 'EPERM'])
  test(`where a file can't have a further name (${errno}), the copy has a file of its own`, async (context) => {
    const world = await largeWorld(context)
    const old = await stageOf(world)
    change(world)
    const inside = [
      'strace',
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      'trace=link,linkat',
      '-e',
      `inject=link,linkat:error=${errno}`,
    ]
    const copy = await stageOf(world, [], { inside })
    assert.notEqual(inode(copy), inode(old))
    assert.deepEqual(readFileSync(join(copy, 'lib/large')), LARGE)
    await succeed(world, ['--verify', `--prefix=${copy}`])
  })

test('a copy is whole although the one that it takes files from is being removed', async (context) => {
  const world = await largeWorld(context)
  for (let round = 0; round < 4; round++) {
    const old = await stageOf(world)
    change(world)
    await succeed(world, ['--pack', `--prefix=${world.prefix}`])
    const [copy] = await Promise.all([stageOf(world), run(world, ['--unstage', '--force', `--prefix=${old}`])])
    await succeed(world, ['--verify', `--prefix=${copy}`])
    await run(world, ['--unstage', '--force', `--prefix=${copy}`])
  }
  assert.deepEqual(
    readdirSync(world.local).map((name) => basename(name)),
    [],
  )
})

test('a call that is killed while it shares files leaves the other copy whole, and the next call makes the new one', async (context) => {
  const world = await largeWorld(context)
  const old = await stageOf(world, [`--session=${process.pid}`])
  change(world)
  await succeed(world, ['--pack', `--prefix=${world.prefix}`])
  for (const milliseconds of [60, 90, 120, 150, 180, 210]) {
    const { child, ended } = start(world, [`--prefix=${world.prefix}`, `--path=${world.local}`])
    await pause(milliseconds)
    child.kill('SIGKILL')
    await ended
  }
  const copy = await stageOf(world)
  for (const prefix of [old, copy]) await succeed(world, ['--verify', `--prefix=${prefix}`])
  assert.deepEqual(readdirSync(world.local).sort(), [old, copy].map((prefix) => basename(dirname(prefix))).sort())
})
