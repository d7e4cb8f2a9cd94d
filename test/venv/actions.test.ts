import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { recordedSizes } from '../../src/pipeline/amount.ts'
import { fails, listing, run, stageOf, succeed } from '../cli/world.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { active, venvWorld } from './world.ts'

/** Of a virtual environment, by the module that `greet` imports. */
const packagesIn = (prefix: string): string => `${prefix}/lib/${readdirSync(`${prefix}/lib`)[0]}/site-packages`

const greeted = (prefix: string, base = '/usr'): string => `${prefix} ${base} ${packagesIn(prefix)}/greeting.py\n`

test('the archive of a virtual environment has the name of its project, in the cache folder, and nothing appears in the project', async (t) => {
  const place = await venvWorld(t, 'venv')
  const before = listing(dirname(place.prefix))
  await stageOf(place)
  assert.deepEqual(listing(dirname(place.prefix)), before)
  const [archive, ...others] = readdirSync(`${place.root}/cache/conda-stage`).filter((name) => !name.startsWith('.'))
  assert.match(archive ?? '', /^proj-venv-[0-9a-f]{12}\.tar\.zst$/)
  assert.deepEqual(others, [])
})

test('two callers share a copy until a package, a program or pyvenv.cfg of the environment changes', async (t) => {
  const place = await venvWorld(t, 'uv')
  let copy = await stageOf(place)
  const isNew = async (change: () => void): Promise<boolean> => {
    change()
    const [last, next] = [copy, await stageOf(place)]
    copy = next
    return next !== last
  }
  assert.ok(!(await isNew(() => {})), 'nothing has changed')
  assert.ok(await isNew(() => writeFileSync(`${packagesIn(place.prefix)}/other.py`, '')), 'a package')
  assert.ok(await isNew(() => appendFileSync(`${packagesIn(place.prefix)}/greeting.py`, '# edited\n')), 'an edit')
  assert.ok(await isNew(() => writeFileSync(`${place.prefix}/bin/other`, '')), 'a program')
  assert.ok(await isNew(() => appendFileSync(`${place.prefix}/pyvenv.cfg`, 'prompt = other\n')), 'pyvenv.cfg')
  assert.ok(!(await isNew(() => mkdirSync(`${packagesIn(place.prefix)}/__pycache__`))), 'byte code')
})

test('--verify finds a copy of each maker sound, and programs in it start from it', async (t) => {
  for (const maker of ['venv', 'virtualenv', 'uv'] as const) {
    const place = await venvWorld(t, maker)
    const copy = await stageOf(place)
    const { stderr } = await succeed(place, ['--verify', `--prefix=${copy}`])
    assert.match(stderr, /is sound/)
    assert.equal(execFileSync(`${copy}/bin/greet`, { encoding: 'utf8' }), greeted(copy))
  }
})

test('--exec runs a command in the place of a virtual environment, with the variables that activate would set', async (t) => {
  const place = await venvWorld(t, 'uv')
  const command = ['sh', '-c', 'greet; echo "$VIRTUAL_ENV $VIRTUAL_ENV_PROMPT [$PYTHONHOME$CONDA_PREFIX]"']
  const options = ['--exec', '--no-skip-local', `--path=${place.local}`]
  const expected = `${greeted(place.prefix)}${place.prefix} .venv* []\n`
  const named = await run(place, [...options, `--prefix=${place.prefix}`, '--', ...command], {
    env: { PYTHONHOME: '/x' },
  })
  assert.deepEqual([named.status, named.stdout], [0, expected], named.stderr)
  const inSession = await run(place, [...options, '--', ...command], { env: active(place) })
  assert.deepEqual([inSession.status, inSession.stdout], [0, expected], inSession.stderr)
})

test('a copy that is not writable refuses an installation to an ordinary user, and a writable one takes it', async (t) => {
  const place = await venvWorld(t, 'uv')
  const inside = { inside: UNPRIVILEGED }
  const [plain, writable] = [await stageOf(place, [], inside), await stageOf(place, ['--writable'], inside)]
  const add = (copy: string) => [...UNPRIVILEGED, 'sh', '-c', `echo > "${packagesIn(copy)}/new.py"`]
  assert.throws(() => execFileSync('env', add(plain), { stdio: 'pipe' }), /Permission denied/)
  execFileSync('env', add(writable))
  assert.ok(readdirSync(packagesIn(writable)).includes('new.py'))
})

test('a packed virtual environment has its own activate, which names the new place after conda-unpack', async (t) => {
  for (const maker of ['venv', 'virtualenv', 'uv'] as const) {
    const place = await venvWorld(t, maker)
    const there = `${place.root}/there`
    mkdirSync(there)
    await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--format=tar.gz', `--output=${place.root}/it.tar.gz`])
    execFileSync('tar', ['-C', there, '-xf', `${place.root}/it.tar.gz`])
    execFileSync(`${there}/bin/conda-unpack`)
    const said = execFileSync('bash', ['-c', `. ${there}/bin/activate; greet; echo $VIRTUAL_ENV`], { encoding: 'utf8' })
    assert.equal(said, `${greeted(there)}${there}\n`)
    assert.equal(readFileSync(`${there}/bin/activate`, 'utf8').includes(place.prefix), false)
    // What conda-unpack needs is no part of an environment.
    const other = { ...place, prefix: there }
    const copy = await stageOf(other)
    assert.ok(!readdirSync(copy).some((name) => name.includes('conda')), `${readdirSync(copy)}`)
  }
})

test('an archive of a virtual environment is staged by itself, and one that has retired comes back', async (t) => {
  const place = await venvWorld(t, 'venv')
  const before = listing(place.prefix)
  const file = `${place.root}/it.tar.zst`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${file}`])
  const { stdout } = await succeed(place, [`--archive=${file}`, `--path=${place.local}`])
  assert.equal(execFileSync(`${stdout.trim()}/bin/greet`, { encoding: 'utf8' }), greeted(stdout.trim()))
  await succeed(place, ['--unstage', `--prefix=${stdout.trim()}`])
  await succeed(place, ['--retire', '--force', `--prefix=${place.prefix}`])
  await succeed(place, ['--restore', `--prefix=${place.prefix}`])
  assert.deepEqual([...listing(place.prefix).keys()], [...before.keys()])
  assert.equal(execFileSync(`${place.prefix}/bin/greet`, { encoding: 'utf8' }), greeted(place.prefix))
})

test('what needs conda is refused for a virtual environment before anything happens, with what to do instead', async (t) => {
  const place = await venvWorld(t, 'venv')
  const of = `--prefix=${place.prefix}`
  await fails(place, ['--auto-stage=enable', of], {
    code: 'USAGE',
    status: 2,
    path: place.prefix,
    hint: /bin\/activate' && conda-stage/,
  })
  await fails(place, ['--pack', '--packer=conda-pack', of], {
    code: 'USAGE',
    status: 2,
    path: place.prefix,
    hint: '--packer=own',
  })
  await fails(place, ['--with-base', '--mount'], { code: 'USAGE', status: 2, says: /with-base.*mount/, hint: /^/ })
})

test('what a virtual environment holds is told by the lists of its packages where looking at each file would take long', async (t) => {
  const place = await venvWorld(t, 'uv')
  const list = `${packagesIn(place.prefix)}/it-1.dist-info`
  mkdirSync(list)
  writeFileSync(`${list}/RECORD`, '"a,b.py",sha256=x,1000000\r\nc.py,sha256=y,2000000\r\nit-1.dist-info/RECORD,,\r\n')
  assert.deepEqual(await recordedSizes({ kind: 'venv', prefix: place.prefix }), [1_000_000, 2_000_000, 0])
})

test('programs of a virtual environment start from a mounted image, whose files are those that were packed', {
  skip: slowfsUnavailable() ?? false,
}, async (t) => {
  const place = await venvWorld(t, 'virtualenv')
  const args = ['--mount', '--no-skip-local', `--prefix=${place.prefix}`, `--path=${place.local}`]
  const { stdout, stderr } = await succeed(place, args)
  const copy = stdout.trim()
  assert.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(` ${copy} `), stderr)
  assert.equal(execFileSync(`${copy}/bin/greet`, { encoding: 'utf8' }), greeted(copy))
  assert.match((await succeed(place, ['--verify', `--prefix=${copy}`])).stderr, /is sound/)
  await succeed(place, ['--unstage', `--prefix=${copy}`])
  assert.deepEqual(readdirSync(place.local), [])
})
