import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { fails, LAUNCHER, run, stageOf, succeed, temporaryFolder, type World } from '../cli/world.ts'
import { installEnvironment } from '../fixtures/environment.ts'
import { MAKERS, type Maker, makeVenv } from '../fixtures/virtual-environments.ts'

let made: Promise<string> | undefined
/** A Python of conda's is the quickest to have. What no program here imports is most of it, and goes. */
const python = (): Promise<string> => {
  made ??= installEnvironment(`${shared}/py`, { specs: ['python'], byHand: false }).then(({ prefix }) => prefix)
  return made
}
const UNUSED =
  'rm -rf "$1"/share "$1"/include "$1"/lib/python3*/{test,idlelib,ensurepip,lib2to3,pydoc_data,tkinter,unittest,config-*}'

interface Place extends World {
  base: string
  copies(): string[]
}

/** An environment that is made of a Python which is no environment itself. */
async function placeWith(context: TestContext, maker: Maker, { isConda = false } = {}): Promise<Place> {
  const root = temporaryFolder(context)
  const base = `${root}/slow/sw/python/3`
  mkdirSync(`${root}/slow/sw/python`, { recursive: true })
  const from = await python()
  execFileSync('bash', [
    '-ec',
    `${UNUSED}; cp -a "$1" "$2"; sed -i "s|$1|$2|g" "$2"/lib/python3*/_sysconfigdata*.py`,
    '',
    from,
    base,
  ])
  if (!isConda) rmSync(`${base}/conda-meta`, { recursive: true })
  const prefix = `${root}/slow/proj/.venv`
  await makeVenv(prefix, maker, { python: `${base}/bin/python3` })
  const local = `${root}/local`
  mkdirSync(local)
  const env = { HOME: `${root}/home`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  const copies = () => readdirSync(local).filter((name) => name.startsWith('conda-stage_'))
  return { root, base, prefix, name: '.venv', archive: '', local, env, copies }
}

const shared = temporaryFolder({ after: (body: () => void) => process.once('exit', body) } as unknown as TestContext)

/** Where Python, its base and a module are, by a program in an environment. */
const greeting = (prefix: string): string[] =>
  execFileSync(join(prefix, 'bin/greet'), { encoding: 'utf8' }).trim().split(' ')

for (const maker of MAKERS) {
  const skip = slowfsUnavailable() ?? false
  test(`--with-base stages the Python of an environment of ${maker}, and its programs then ask the file system nothing`, {
    skip,
  }, async (t) => {
    const place = await placeWith(t, maker)
    const mount = await mountSlow(`${place.root}/slow`, `${place.root}/slow`, { latencyMs: 0, bandwidthMb: 0 })
    try {
      const copy = await stageOf(place, ['--with-base'])
      await mount.reset()
      const [prefix, base = '', module = ''] = greeting(copy)
      const counters = Object.entries(await mount.counters()).filter(
        ([kind, count]) => count > 0 && kind !== 'serverCpuMs',
      )
      assert.deepEqual(counters, [])
      assert.equal(prefix, copy)
      assert.ok(base.startsWith(`${place.local}/conda-stage_`) && module.startsWith(`${copy}/`), `${base} ${module}`)
      const standard = execFileSync(
        `${copy}/bin/python`,
        [
          '-c',
          'import os, sysconfig; print(os.__file__, sysconfig.get_path("stdlib"), sysconfig.get_config_var("prefix"))',
        ],
        { encoding: 'utf8' },
      )
      for (const path of standard.trim().split(' '))
        assert.ok(`${path}/`.startsWith(`${base}/`) || path === copy, standard)
      const { stderr } = await succeed(place, ['--verify', `--prefix=${copy}`])
      assert.match(stderr, /is sound/)
      await succeed(place, ['--unstage', `--prefix=${copy}`])
      assert.deepEqual(place.copies(), [], 'the copy of the base goes along')
    } finally {
      await mount.unmount()
    }
  })
}

test('without --with-base a message says where the Python of an environment lies, if that is on a network', {
  skip: slowfsUnavailable() ?? false,
}, async (t) => {
  const place = await placeWith(t, 'uv')
  const mount = await mountSlow(`${place.root}/slow`, `${place.root}/slow`, { latencyMs: 0, bandwidthMb: 0 })
  try {
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
    const first = await succeed(place, args)
    assert.match(
      first.stderr,
      new RegExp(`Its Python is on fuse\\S* \\(${place.base}\\): --with-base stages that, too`),
    )
    assert.doesNotMatch((await succeed(place, args)).stderr, /Its Python/)
  } finally {
    await mount.unmount()
  }
})

test('copies with and without the base are never taken for one another, and each ends with its own users', async (t) => {
  const place = await placeWith(t, 'venv', { isConda: true })
  const plain = await stageOf(place, ['--no-skip-local'])
  const withBase = await stageOf(place, ['--no-skip-local', '--with-base'])
  assert.equal(greeting(plain)[1], place.base)
  const [, base = ''] = greeting(withBase)
  assert.ok(base.startsWith(place.local))
  const settings = { env: { CONDA_STAGE_WITH_BASE: 'true' } }
  assert.equal(await stageOf(place, ['--no-skip-local'], settings), withBase, 'the second user joins both')
  assert.equal(await stageOf(place, ['--no-skip-local']), plain)
  await succeed(place, ['--unstage', `--prefix=${withBase}`])
  assert.equal(greeting(withBase)[1], base, 'the second user has both')
  await succeed(place, ['--unstage', `--prefix=${withBase}`])
  assert.ok(!existsSync(withBase) && !existsSync(base))
  assert.equal(greeting(plain)[1], place.base)
  // Nobody may get a copy whose base is gone.
  const again = await stageOf(place, ['--no-skip-local', '--with-base'])
  await succeed(place, ['--unstage', '--force', `--prefix=${greeting(again)[1]}`])
  const next = await stageOf(place, ['--no-skip-local', '--with-base'])
  assert.ok(existsSync(greeting(next)[1]!))
})

test('--exec starts the copy of the base, too, and gives it back with the command', async (t) => {
  const place = await placeWith(t, 'uv')
  const options = ['--exec', '--with-base', '--no-skip-local', `--path=${place.local}`, `--prefix=${place.prefix}`]
  const { stdout, stderr, status } = await run(place, [...options, '--', 'greet'])
  const [prefix, base = ''] = stdout.split(' ')
  assert.deepEqual([status, prefix], [0, place.prefix], stderr)
  assert.ok(base.startsWith(place.local), base)
  for (let waited = 0; readdirSync(place.local).length > 0; waited += 100) {
    assert.ok(waited < 20_000, `${readdirSync(place.local)}`)
    await pause(100)
  }
})

test("the system's own Python is never staged along, and a Python that is gone costs a warning", async (t) => {
  const place = await placeWith(t, 'uv')
  await makeVenv(`${place.root}/other/.venv`, 'venv')
  const args = ['--with-base', '--no-skip-local', `--path=${place.local}`]
  const ofSystem = await succeed(place, [...args, `--prefix=${place.root}/other/.venv`])
  assert.match(ofSystem.stderr, /is the system's \(\/usr\), which is not staged/)
  assert.equal(place.copies().length, 1)
  rmSync(place.base, { recursive: true })
  const ofNothing = await succeed(place, [...args, `--prefix=${place.prefix}`])
  assert.match(ofNothing.stderr, /WARNING: The Python of \S+ is not found where its pyvenv.cfg says/)
  assert.match(readFileSync(`${ofNothing.stdout.trim()}/pyvenv.cfg`, 'utf8'), new RegExp(`home = ${place.base}/bin`))
})

test('programs that a session leaves behind keep its virtual environment, and its Python, until they end', async (t) => {
  const place = await placeWith(t, 'venv')
  const out = `${place.root}/out`
  const script = `eval "$("$0" --source=bash)"
    . ${place.prefix}/bin/activate
    conda-stage --quiet --no-skip-local --with-base --path=${place.local}
    python -c 'import time; time.sleep(2); import greeting, wave; print(wave.__file__)' > ${out} 2>&1 &
    base=$(python -c 'import sys; print(sys.base_prefix)')
    env -i "$base/bin/python3" -c 'import time; time.sleep(8); import wave; print(wave.__file__)' > ${out}.base 2>&1 &`
  execFileSync('bash', ['-c', script, LAUNCHER], { env: place.env })
  assert.equal(place.copies().length, 2)
  for (let waited = 0; readdirSync(place.local).length > 0; waited += 100) {
    assert.ok(waited < 30_000, `${readdirSync(place.local)}`)
    await pause(100)
  }
  const [text = '', ofBase = ''] = [out, `${out}.base`].map((file) => readFileSync(file, 'utf8'))
  assert.match(text, new RegExp(`^${place.local}\\S+ (\\S+) ${place.local}\\S+greeting.py\n\\1/lib/\\S+/wave.py\n$`))
  assert.equal(ofBase, `${text.split('\n')[1]}\n`, 'a module that is read when the session is long over')
})

test('--dry-run --with-base shows the size of the Python as well, and then the copy of it that is there', async (t) => {
  const place = await placeWith(t, 'venv')
  const args = ['--with-base', '--no-skip-local', `--path=${place.local}`, `--prefix=${place.prefix}`]
  const before = await succeed(place, ['--dry-run', ...args])
  assert.match(before.stdout, new RegExp(`original: +${place.prefix}\n[^]*original: +${place.base}\n[^]*size: +\\d`))
  assert.deepEqual(place.copies(), [])
  await succeed(place, [`--path=${place.local}`, '--no-skip-local', `--prefix=${place.prefix}`])
  const [plain] = place.copies()
  assert.ok(!(await succeed(place, ['--dry-run', ...args])).stdout.includes(plain!), 'a copy without the base')
  const copy = (await succeed(place, args)).stdout.trim()
  const [, base] = greeting(copy)
  const after = JSON.parse((await succeed(place, ['--dry-run', '--json', ...args])).stdout)
  assert.deepEqual([after.copy, after.base.copy], [copy, base])
})

test('a virtual environment that was made with the Python of a copy is told so, and that copy is not staged', async (t) => {
  const place = await placeWith(t, 'uv', { isConda: true })
  const options = ['--no-skip-local', `--path=${place.local}`]
  const python = (await succeed(place, [...options, `--prefix=${place.base}`])).stdout.trim()
  await makeVenv(`${place.root}/new/.venv`, 'venv', { python: `${python}/bin/python3` })
  const { stderr } = await succeed(place, ['--with-base', ...options, `--prefix=${place.root}/new/.venv`])
  assert.match(stderr, /WARNING: \S+ was made in a session of a copy: its Python is \S+, and goes with that/)
  assert.ok(stderr.includes(`Make it again with the Python of ${place.base}.`), stderr)
})

test('--with-base is refused where no copy of an environment is made', async (t) => {
  const place = await placeWith(t, 'uv')
  for (const others of [['--nodes=all'], ['--mount'], ['--archive=x.tar.zst'], ['--pack'], ['--verify']])
    await fails(place, ['--with-base', ...others], { code: 'USAGE', status: 2, says: '--with-base', hint: /^/ })
})
