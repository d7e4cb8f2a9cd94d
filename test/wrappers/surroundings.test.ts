/** Whatever the surroundings of a wrapper are, its program runs as the original's would. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startCommand, succeed } from '../cli/world.ts'
import { copiesIn, removeNote, type Wrapped, wrapped } from './world.ts'

/** Waits until something is so. */
async function until(what: () => boolean): Promise<void> {
  for (let at = 0; !what(); at++) {
    assert.ok(at < 1500)
    await pause(10)
  }
}

/** What the kernel says of a program that was started in this way, as soon as it runs. */
async function factsOf(world: Wrapped, program: string, before: readonly string[]) {
  const [command, ...args] = [...before, program, 'wait']
  const child = spawn(command!, args, { env: world.env, stdio: 'ignore' })
  try {
    // Asleep, and no more about to load its libraries.
    await until(() => /\(sleep\) S /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8')))
    const masks = /^SigBlk.*\nSigIgn.*\nSigCgt.*$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
    return { descriptors: readdirSync(`/proc/${child.pid}/fd`), signals: masks?.[0] }
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

const SITUATIONS: Readonly<Record<string, readonly string[]>> = {
  'standard input is closed': ['bash', '-c', 'exec "$@" <&-', '-'],
  'standard output is closed': ['bash', '-c', 'exec "$@" >&-', '-'],
  'standard error is closed': ['bash', '-c', 'exec "$@" 2>&-', '-'],
  'all three are closed': ['bash', '-c', 'exec "$@" <&- >&- 2>&-', '-'],
  'more descriptors are open': ['bash', '-c', 'exec "$@" 3< /dev/null 10< /dev/null 255< /dev/null', '-'],
  'signals are ignored': ['perl', '-e', '$SIG{$_} = "IGNORE" for qw(INT QUIT TERM HUP PIPE CHLD); exec @ARGV'],
  'signals are blocked': [
    'perl',
    '-MPOSIX',
    '-e',
    'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1, SIGTERM)); exec @ARGV',
  ],
}

for (const [situation, before] of Object.entries(SITUATIONS))
  test(`where ${situation}, the program finds it so, and it is the copy's`, async (context) => {
    const world = await wrapped(context)
    const expected = await factsOf(world, join(world.prefix, 'bin/tell'), before)
    for (const calls of [1, 1]) {
      assert.deepEqual(await factsOf(world, world.wrapper, before), expected)
      assert.deepEqual([copiesIn(world).length, world.calls()], [1, calls])
    }
  })

/** A wrapper that is making the first copy, of a file of 3 GB, in a process group of its own. */
async function atFirstStage(world: Wrapped) {
  writeFileSync(join(world.prefix, 'large'), '')
  truncateSync(join(world.prefix, 'large'), 3e9)
  const child = spawn(world.wrapper, ['x'], { env: world.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      said += text
    })
  await until(() => readdirSync(world.local).length > 0)
  return { child, said: () => said }
}

for (const [how, target, signal] of [
  ['Ctrl-C', -1, 'SIGINT'],
  ['a signal to its group', -1, 'SIGTERM'],
  ['a signal to itself alone', 1, 'SIGTERM'],
] as const)
  test(`while the first copy is made, ${how} ends the wrapper: no program starts, and nothing is left`, async (context) => {
    const world = await wrapped(context)
    const { child, said } = await atFirstStage(world)
    process.kill(target * child.pid!, signal)
    const [code, by] = await once(child, 'close')
    assert.deepEqual([code, by], [null, signal])
    assert.ok(!said().includes('tell'), said())
    await until(() => readdirSync(world.local).length === 0)
    assert.deepEqual(readdirSync(dirname(world.archive)), [basename(world.prefix)])
  })

test('Ctrl-C that only reached conda-stage ends the wrapper, too, except where it is ignored', async (context) => {
  const world = await wrapped(context)
  writeFileSync(join(world.root, 'counter'), '#!/bin/sh\nexit 130\n')
  const { status, stdout } = await world.start(['x']).ended
  assert.deepEqual([status, stdout], ['SIGINT', ''])
  const ignoring = ['perl', '-e', '$SIG{INT} = "IGNORE"; exec @ARGV', world.wrapper, 'x']
  const original = await startCommand(world, ignoring, {}).ended
  assert.deepEqual([original.status, original.stdout], [0, `${world.prefix}/bin/tell\nx\n`])
})

test('a note that belongs to somebody else is not believed', async (context) => {
  const world = await wrapped(context)
  const mine = await world.start([]).ended
  assert.equal(world.calls(), 1)
  const evil = join(world.root, 'evil')
  mkdirSync(join(evil, 'bin'), { recursive: true })
  writeFileSync(join(evil, 'bin/tell'), '#!/bin/sh\necho evil\n', { mode: 0o755 })
  const note = readFileSync(world.note, 'utf8')
  const lines = note.split('\n')
  lines[5] = evil
  writeFileSync(world.note, lines.join('\n'))
  // Believed, because it is ours: then what follows shows something.
  mkdirSync(join(world.root, '.leases'))
  writeFileSync(join(world.root, 'stage.json'), '')
  const ahead = new Date(Date.now() + 60_000)
  utimesSync(world.note, ahead, ahead)
  assert.equal((await world.start([]).ended).stdout, 'evil\n')
  chownSync(world.note, 12345, 12345)
  assert.equal((await world.start([]).ended).stdout, mine.stdout)
  assert.equal(world.calls(), 2)
})

test('without a folder for notes that is the user’s alone, each start takes a full look', async (context) => {
  const world = await wrapped(context)
  const folder = join(world.root, 'notes')
  writeFileSync(
    world.wrapper,
    readFileSync(world.wrapper, 'utf8').replace('__cs_note=/tmp/conda-stage-notes-$EUID', `__cs_note=${folder}`),
  )
  const other = join(world.root, 'other')
  mkdirSync(other, { mode: 0o700 })
  const ways: Record<string, () => void> = {
    'a link': () => symlinkSync(other, folder),
    'a file': () => writeFileSync(folder, ''),
    "another user's": () => {
      mkdirSync(folder, { mode: 0o700 })
      chownSync(folder, 12345, 12345)
    },
    'open to a group': () => {
      mkdirSync(folder)
      chmodSync(folder, 0o770)
    },
  }
  let calls = 0
  for (const [way, make] of Object.entries(ways)) {
    make()
    for (let at = 0; at < 2; at++) {
      const { status, stdout, stderr } = await world.start([]).ended
      assert.deepEqual([status, stderr], [0, ''], way)
      assert.ok(stdout.startsWith(world.local), way)
      assert.equal(world.calls(), ++calls, way)
    }
    rmSync(folder, { recursive: true })
  }
  await world.start([]).ended
  await world.start([]).ended
  assert.equal(world.calls(), calls + 1)
})

test('a job does not start from a copy in the folder of another job, which goes with that', async (context) => {
  const world = await wrapped(context)
  const job = (id: number) => {
    const folder = join(world.root, `jobs/${id}`)
    mkdirSync(folder, { recursive: true })
    return { CONDA_STAGE_PATH: undefined, SLURM_JOB_ID: `${id}`, SLURM_TMPDIR: folder }
  }
  for (const [id, calls] of [
    [1, 1],
    [1, 1],
    [2, 2],
    [2, 2],
  ] as const) {
    const { stdout } = await world.start([], job(id)).ended
    assert.ok(stdout.startsWith(join(world.root, `jobs/${id}/`)), stdout)
    assert.equal(world.calls(), calls)
  }
  const session = (name: string) => {
    mkdirSync(join(world.root, name), { recursive: true })
    return { CONDA_STAGE_PATH: undefined, TMPDIR: join(world.root, name) }
  }
  for (const name of ['s1', 's1', 's2'])
    assert.ok((await world.start([], session(name)).ended).stdout.startsWith(join(world.root, name)))
  assert.equal(world.calls(), 4)
})

test('a copy in no job’s folder serves the programs of all jobs on the node', async (context) => {
  const world = await wrapped(context)
  for (const id of ['1', '2']) await world.start([], { SLURM_JOB_ID: id }).ended
  assert.deepEqual([copiesIn(world).length, world.calls()], [1, 1])
})

test('processes of a container, whose numbers are others, don’t pass for those outside', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  const container = ['unshare', '-rpf', '--mount-proc', '--propagation=private']
  for (const calls of [2, 2]) {
    const { status, stdout } = await startCommand(world, [...container, world.wrapper, 'x'], {}).ended
    assert.equal(status, 0)
    assert.ok(stdout.startsWith(world.local))
    assert.ok(world.calls() >= calls)
  }
  await world.start([]).ended
  assert.ok(world.calls() >= 3)
})

test('a wrapper runs through a link, by its name on PATH, and from a current folder that was deleted', async (context) => {
  const world = await wrapped(context)
  const { stdout } = await world.start([]).ended
  symlinkSync(world.wrapper, join(world.root, 'link'))
  const there = join(world.root, 'there')
  mkdirSync(there)
  const ways = [
    [join(world.root, 'link')],
    ['env', `PATH=${dirname(world.wrapper)}:${process.env.PATH}`, 'tell'],
    ['bash', '-c', `cd '${there}' && rmdir '${there}' && exec '${world.wrapper}'`],
  ]
  for (const command of ways) assert.equal((await startCommand(world, command, {}).ended).stdout, stdout)
  assert.equal(world.calls(), 1)
})

test('a prefix may have any characters', async (context) => {
  for (const name of [`it's "\\" $HOME \`id\` @HASH@ *`, 'line\nbreak']) {
    const world = await wrapped(context)
    const prefix = join(world.root, name)
    renameSync(world.prefix, prefix)
    const wrappers = join(world.root, name, '../other')
    await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${prefix}`, '--programs=tell'])
    for (let at = 0; at < 2; at++) {
      const { status, stdout, stderr } = await startCommand(world, [join(wrappers, 'bin/tell'), 'x'], {}).ended
      assert.deepEqual([status, stderr], [0, ''])
      assert.ok(stdout.startsWith(world.local) && stdout.endsWith(`/${name}/bin/tell\nx\n`), stdout)
    }
    removeNote(prefix)
  }
})

test('without HOME, USER and other variables, the program starts from the copy all the same', async (context) => {
  const world = await wrapped(context)
  const { CONDA_STAGE_PATH, CONDA_STAGE_SKIP_LOCAL } = world.env
  for (const calls of [1, 1]) {
    const { status, stdout } = await startCommand(
      { env: { CONDA_STAGE_PATH: CONDA_STAGE_PATH!, CONDA_STAGE_SKIP_LOCAL: CONDA_STAGE_SKIP_LOCAL! } },
      [world.wrapper],
      {},
    ).ended
    assert.equal(status, 0)
    assert.ok(stdout.startsWith(world.local), stdout)
    assert.equal(world.calls(), calls)
  }
})

test('where the program of the copy can not be started, the original runs', async (context) => {
  const world = await wrapped(context)
  const { stdout } = await world.start([]).ended
  const program = stdout.trim()
  chmodSync(dirname(program), 0o700)
  rmSync(program)
  writeFileSync(program, '#!/no/such/interpreter\n', { mode: 0o755 })
  const ended = await world.start(['x']).ended
  assert.deepEqual([ended.status, ended.stdout], [0, `${world.prefix}/bin/tell\nx\n`])
  assert.match(ended.stderr, /conda-stage_\w+\/myjupyter\/bin\/tell: /)
})

test('once the environment was moved, a start says so and what to do', async (context) => {
  const world = await wrapped(context)
  renameSync(world.prefix, `${world.prefix}-moved`)
  const { status, stdout, stderr } = await world.start([]).ended
  assert.deepEqual([status, stdout], [127, ''])
  assert.match(stderr, /^ERROR: .*myjupyter/)
  assert.match(stderr, /^ERROR: .*bin\/tell can't be found\n.* conda-stage --wrappers=DIR --prefix=ENV\n$/)
})

test('a package that was installed within the second of the last look is noticed', async (context) => {
  const world = await wrapped(context)
  const meta = join(world.prefix, 'conda-meta')
  const at = Math.floor(Date.now() / 1000) - 100
  utimesSync(meta, at + 0.2, at + 0.2)
  await world.start([]).ended
  await world.start([]).ended
  assert.equal(world.calls(), 1)
  writeFileSync(join(meta, 'more-1.0-0.json'), '{"files": []}')
  utimesSync(meta, at + 0.4, at + 0.4)
  await world.start([]).ended
  assert.equal(world.calls(), 2)
})

test('what another start is just writing into the copy, or could not write on a full disk, disturbs nobody', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  const leases = join(world.local, copiesIn(world)[0]!, '.leases')
  writeFileSync(join(leases, '0000000000000001.json'), '')
  writeFileSync(join(leases, '0000000000000002.json'), '{"holder":{"kind":"sess')
  const { status, stdout } = await world.start([]).ended
  assert.deepEqual([status, stdout.startsWith(world.local), world.calls()], [0, true, 1])
  await succeed(world, ['--clean'])
  assert.deepEqual(copiesIn(world), [])
})
