import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { copiedWorld, fails, listing, startCommand, succeed } from '../cli/world.ts'
import { copiesIn, removeNote, wrapped } from './world.ts'

/** Line of the note. */
const UNTIL = 3

const firstLine = (text: string): string => text.split('\n', 1)[0]!

test('a wrapper starts the program of the copy, with the arguments as they are; from the second time on without conda-stage', async (context) => {
  const world = await wrapped(context)
  const words = ['a b', '', "it's", '*', '\n']
  for (const calls of [1, 1, 1]) {
    const { status, stdout, stderr } = await world.start(words).ended
    assert.deepEqual([status, stderr, world.calls()], [0, '', calls])
    const [copy] = copiesIn(world)
    assert.equal(stdout, [join(world.local, copy!, 'myjupyter/bin/tell'), ...words, ''].join('\n'))
  }
  assert.equal(copiesIn(world).length, 1)
})

test('the program gets the variables that the wrapper got, its input, and gives its exit status', async (context) => {
  const world = await wrapped(context)
  const env = {
    ...world.env,
    program: 'mine',
    __other: 'x\ny',
    // What dash loses: the functions of bash, such as that of Lmod, and other names that are no shell's.
    'BASH_FUNC_module%%': '() {  echo module\n}',
    'a.b': 'c',
    // What would change how bash runs the wrapper.
    'BASH_FUNC_[%%': '() {  false\n}',
    'BASH_FUNC_read%%': '() {  false\n}',
    BASH_ENV: '/dev/stdin',
    ENV: '/nowhere',
    POSIXLY_CORRECT: '1',
  }
  const started = (args: string[], input = '') => {
    const { status, stdout, stderr } = spawnSync(world.wrapper, args, { env, input, encoding: 'utf8' })
    return { status, stdout, stderr }
  }
  const variables = (text: string) =>
    text
      .split('\0')
      .filter((variable) => variable !== '' && !/^(?:_|PWD|OLDPWD|SHLVL)=/.test(variable))
      .sort()
  const expected = Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
  // The first time conda-stage is called, the second time it is not.
  for (const calls of [1, 1]) {
    const { status, stdout, stderr } = started(['env'])
    assert.deepEqual([status, stderr, world.calls()], [0, '', calls])
    assert.deepEqual(variables(stdout), expected)
    assert.equal(started(['read'], 'some input').stdout, 'some input')
    assert.equal(started(['exit']).status, 7)
  }
})

test('a signal reaches the program: it has the process number of the wrapper', async (context) => {
  const world = await wrapped(context)
  await world.start(['exit']).ended
  const { child, ended } = world.start(['wait'])
  const [said] = await once(child.stdout!, 'data')
  assert.equal(Number(said), child.pid)
  child.kill('SIGTERM')
  assert.equal((await ended).status, 'SIGTERM')
})

test('nobody removes the copy while a program runs that a wrapper has started without conda-stage', async (context) => {
  const world = await wrapped(context)
  await world.start(['exit']).ended
  const { child, ended } = world.start(['wait'])
  await once(child.stdout!, 'data')
  assert.equal(world.calls(), 1)
  const { stdout } = await succeed(world, ['--list'])
  assert.match(stdout, new RegExp(`used by process ${child.pid} \\(sleep\\) since \\d\\d:\\d\\d`))
  await succeed(world, ['--clean'])
  assert.equal(copiesIn(world).length, 1)
  child.kill()
  await ended
  await succeed(world, ['--clean'])
  assert.equal(copiesIn(world).length, 0)
})

test('the copy stands as long as the note of it holds, however short copies are kept', async (context) => {
  const world = await wrapped(context)
  const file = join(world.root, 'config.yaml')
  writeFileSync(file, 'keep-minutes: 1\n')
  await world.start([], { CONDA_STAGE_SITE_CONFIG: file }).ended
  const leases = join(world.local, copiesIn(world)[0]!, '.leases')
  const minutes = readdirSync(leases)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(leases, name), 'utf8')).keepMinutes)
  assert.ok(minutes.length > 0)
  for (const each of minutes) assert.equal(each, 10)
})

test('after the copy has gone, the next start makes another one', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  await succeed(world, ['--clean'])
  assert.deepEqual(copiesIn(world), [])
  assert.match((await world.start([]).ended).stdout, new RegExp(`^${world.local}/`))
  assert.equal(world.calls(), 2)
})

test('when packages have changed in the original, the next start is from a new copy', async (context) => {
  const world = await wrapped(context)
  const first = firstLine((await world.start([]).ended).stdout)
  writeFileSync(join(world.prefix, 'conda-meta/more-1.0-0.json'), '{"files": []}')
  const later = new Date(Date.now() + 2000)
  utimesSync(join(world.prefix, 'conda-meta'), later, later)
  const second = firstLine((await world.start([]).ended).stdout)
  assert.notEqual(first, second)
  assert.ok(existsSync(second.replace('bin/tell', 'conda-meta/more-1.0-0.json')))
  // The program that runs from the old copy keeps it.
  assert.equal((await world.start([]).ended).stdout, `${second}\n`)
  assert.equal(world.calls(), 2)
})

test('when a link to the environment leads to another one, even an older one, the next start is from that', async (context) => {
  const world = await copiedWorld(context)
  const [now, before, link] = [world.prefix, `${world.prefix}-2025`, `${world.prefix}-current`]
  execFileSync('cp', ['-a', now, before])
  writeFileSync(`${now}/bin/tell`, '#!/bin/sh\necho now\n', { mode: 0o755 })
  writeFileSync(`${before}/bin/tell`, '#!/bin/sh\necho before\n', { mode: 0o755 })
  for (const folder of ['conda-meta', 'bin', '.']) utimesSync(`${before}/${folder}`, 1_700_000_000, 1_700_000_000)
  symlinkSync(now, link)
  await succeed(world, [`--wrappers=${world.root}/w`, `--prefix=${link}`, '--programs=tell'])
  context.after(() => removeNote(now))
  const env = { CONDA_STAGE_PATH: world.local, CONDA_STAGE_SKIP_LOCAL: 'false' }
  const start = async () => firstLine((await startCommand(world, [`${world.root}/w/bin/tell`], { env }).ended).stdout)
  assert.deepEqual([await start(), await start()], ['now', 'now'])
  rmSync(link)
  symlinkSync(before, link)
  assert.deepEqual([await start(), await start()], ['before', 'before'])
})

test('when another environment was moved to the place of the original, even an older one, the next start is from that', async (context) => {
  const world = await wrapped(context)
  const { prefix, start } = world
  execFileSync('cp', ['-a', prefix, `${prefix}-other`])
  writeFileSync(`${prefix}-other/bin/tell`, '#!/bin/sh\necho other\n', { mode: 0o755 })
  execFileSync('find', [`${prefix}-other`, '-type', 'd', '-exec', 'touch', '-d', '2001-01-01', '{}', '+'])
  assert.match((await start(['a']).ended).stdout, /conda-stage_.*\na\n$/)
  renameSync(prefix, `${prefix}-old`)
  renameSync(`${prefix}-other`, prefix)
  assert.equal((await start(['a']).ended).stdout, 'other\n')
  await start([]).ended
  assert.equal(world.calls(), 2)
})

test('a start looks at everything again when the last look is ten minutes old', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  const { note } = world
  const lines = readFileSync(note, 'utf8').split('\n')
  // Its time is compared with the original's.
  const later = new Date(Math.ceil(statSync(note).mtimeMs))
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split('.')[0])
  assert.ok(Math.abs(Number(lines[UNTIL]) - uptime - 600) < 60, `${lines[UNTIL]}`)
  for (const [until, calls] of [
    [uptime + 60, 1],
    [uptime, 2],
  ] as const) {
    lines[UNTIL] = `${until}`
    writeFileSync(note, lines.join('\n'))
    utimesSync(note, later, later)
    await world.start([]).ended
    assert.equal(world.calls(), calls)
  }
})

test('what thousands of programs have left in the copy about themselves is tidied up', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  const leases = join(world.local, copiesIn(world)[0]!, '.leases')
  await world.start([]).ended
  const word = readdirSync(leases)
    .map((name) => readFileSync(join(leases, name), 'utf8'))
    .find((text) => !text.includes('since'))!
  for (let at = 0; at < 300; at++) writeFileSync(join(leases, `${'f'.repeat(12)}${1000 + at}.json`), word)
  await world.start([]).ended
  assert.equal(world.calls(), 2)
  assert.ok(readdirSync(leases).length < 5, `${readdirSync(leases)}`)
})

test('where nothing can be staged, the original runs, and standard error says why', async (context) => {
  const world = await wrapped(context)
  const { status, stdout, stderr } = await world.start(['x'], { CONDA_STAGE_PATH: '/proc/nowhere' }).ended
  assert.deepEqual([status, stdout], [0, `${world.prefix}/bin/tell\nx\n`])
  assert.match(stderr, /^ERROR: .*\/proc\/nowhere/)
})

test('where conda-stage itself is gone, the original runs', async (context) => {
  const world = await wrapped(context)
  renameSync(join(world.root, 'counter'), join(world.root, 'gone'))
  const { status, stdout, stderr } = await world.start(['x']).ended
  assert.deepEqual([status, stdout, stderr], [0, `${world.prefix}/bin/tell\nx\n`, ''])
})

test('with CONDA_STAGE=false the original runs', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  const { stdout } = await world.start([], { CONDA_STAGE: 'false' }).ended
  assert.equal(stdout, `${world.prefix}/bin/tell\n`)
})

test('programs that start at the same time on an empty node share one copy', async (context) => {
  const world = await wrapped(context)
  const ended = await Promise.all(Array.from({ length: 6 }, () => world.start(['x']).ended))
  const [copy] = copiesIn(world)
  assert.deepEqual(
    [...new Set(ended.map(({ status, stdout }) => `${status} ${stdout}`))],
    [`0 ${world.local}/${copy}/myjupyter/bin/tell\nx\n`],
  )
})

test('a program whose copy is just being removed starts from another one, or from the original', async (context) => {
  const world = await wrapped(context)
  await world.start([]).ended
  let isOver = false
  const cleaning = (async () => {
    while (!isOver) {
      await succeed(world, ['--clean'])
      await pause(5)
    }
  })()
  for (let at = 0; at < 15; at++) {
    const { status, stdout } = await world.start(['x']).ended
    assert.equal(status, 0)
    assert.match(stdout, /\/myjupyter\/bin\/tell\nx\n$/)
  }
  isOver = true
  await cleaning
})

test('settings that are meant for sessions do not give each program a copy of its own', async (context) => {
  const world = await wrapped(context)
  for (let at = 0; at < 2; at++)
    await world.start([], { CONDA_STAGE_PRIVATE: 'true', CONDA_STAGE_WRITABLE: 'true' }).ended
  assert.deepEqual([copiesIn(world).length, world.calls()], [1, 1])
})

test('all programs get a wrapper but those that change the environment; --programs chooses', async (context) => {
  const world = await copiedWorld(context)
  const bin = join(world.prefix, 'bin')
  for (const name of ['pip', 'pip3', 'conda', 'activate', 'own'])
    writeFileSync(join(bin, name), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(bin, 'text'), 'no program')
  const before = listing(world.prefix)
  const wrappers = join(world.root, 'all')
  const { stdout } = await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, '--json'])
  const result = JSON.parse(stdout)
  assert.deepEqual(readdirSync(join(wrappers, 'bin')).sort(), result.programs)
  assert.ok(result.programs.includes('own') && result.programs.includes('greet'), result.programs)
  for (const name of ['pip', 'pip3', 'conda', 'activate', 'text']) assert.ok(!result.programs.includes(name), name)
  await succeed(world, ['--wrappers=one', '--programs=own, greet', `--prefix=${world.prefix}`], { cwd: world.root })
  assert.deepEqual(readdirSync(join(world.root, 'one/bin')).sort(), ['greet', 'own'])
  assert.deepEqual(listing(world.prefix), before)
})

test('what was not written by us is not replaced, and nothing is written into an environment', async (context) => {
  const world = await copiedWorld(context)
  const wrappers = join(world.root, 'wrappers')
  mkdirSync(join(wrappers, 'bin'), { recursive: true })
  writeFileSync(join(wrappers, 'bin/greet'), 'mine')
  const call = (folder: string, ...more: string[]) => [`--wrappers=${folder}`, `--prefix=${world.prefix}`, ...more]
  const foreign = {
    code: 'TARGET_UNSAFE',
    path: join(wrappers, 'bin/greet'),
    says: 'is there already',
    hint: 'another folder',
  } as const
  await fails(world, call(wrappers), foreign)
  assert.deepEqual(readdirSync(join(wrappers, 'bin')), ['greet'])
  const inside = { code: 'USAGE', status: 2, says: 'is inside the environment', hint: 'outside' } as const
  await fails(world, call(join(world.prefix, 'wrappers')), inside)
  await fails(world, call(wrappers, '--programs=pip'), {
    code: 'USAGE',
    status: 2,
    says: 'pip changes',
    hint: 'bin/pip',
  })
  await fails(world, ['--wrappers', `--prefix=${world.prefix}`], {
    ...{ code: 'USAGE', status: 2 },
    ...{ says: '--wrappers needs a folder', hint: '--help' },
  })
  await fails(world, call(wrappers, '--programs=no-such'), {
    code: 'USAGE',
    status: 2,
    says: 'There is no program',
    hint: 'Look into',
  })
})

test('--kernelspec gives Jupyter a kernel that starts by the wrapper, with its pictures, in the folder of the user', async (context) => {
  const world = await copiedWorld(context)
  const kernels = join(world.prefix, 'share/jupyter/kernels')
  const python = {
    argv: [`${world.prefix}/bin/greet`, '-m', 'ipykernel_launcher', '-f', '{connection_file}'],
    display_name: 'Python 3',
    language: 'python',
    metadata: { debugger: true },
    env: { A: '1' },
  }
  mkdirSync(join(kernels, 'python3'), { recursive: true })
  mkdirSync(join(kernels, 'other'), { recursive: true })
  writeFileSync(join(kernels, 'python3/kernel.json'), JSON.stringify(python))
  writeFileSync(join(kernels, 'python3/logo-64x64.png'), 'picture')
  writeFileSync(join(kernels, 'other/kernel.json'), '{')
  const wrappers = join(world.root, 'wrappers')
  await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, '--programs=greet', '--kernelspec'])
  const written = join(world.env.HOME!, '.local/share/jupyter/kernels/myjupyter')
  const spec = JSON.parse(readFileSync(join(written, 'kernel.json'), 'utf8'))
  assert.deepEqual(spec, {
    ...python,
    argv: [join(wrappers, 'bin/greet'), ...python.argv.slice(1)],
    display_name: 'Python 3 (myjupyter*)',
    metadata: { debugger: true, 'conda-stage': { original: world.prefix } },
  })
  assert.equal(readFileSync(join(written, 'logo-64x64.png'), 'utf8'), 'picture')
  // Again, and by another name.
  await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, '--kernelspec'])
  await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, '--kernelspec=My Own'])
  assert.deepEqual(readdirSync(join(written, '..')).sort(), ['my-own', 'myjupyter'])
  rmSync(kernels, { recursive: true })
  await fails(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, '--kernelspec'], {
    code: 'NO_PROGRAM',
    says: 'no kernelspec',
    hint: 'ipykernel',
  })
})
