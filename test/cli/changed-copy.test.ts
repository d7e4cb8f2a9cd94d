import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { copiedWorld, LAUNCHER, stageOf, startCommand, succeed, type World } from './world.ts'

/** A writable copy with a new file, an edited one and what Python writes by itself. */
async function changedCopy(place: World): Promise<string> {
  const staged = await stageOf(place, ['--writable'])
  appendFileSync(`${staged}/share/greet/greeting.txt`, 'edited')
  writeFileSync(`${staged}/bin/new`, '')
  mkdirSync(`${staged}/lib/__pycache__`)
  writeFileSync(`${staged}/lib/__pycache__/x.pyc`, '')
  return staged
}

const WARNING =
  /WARNING: 2 files that you added or changed in the copy (are|would be) lost: bin\/new, share\/greet\/greeting\.txt\n/

/** Unstages on a terminal, where the user types the answer. */
function answering(place: World, staged: string, answer: string, args = '') {
  const unstage = `${LAUNCHER} --unstage --prefix='${staged}' ${args}`
  const script = `printf '${answer}' | script -qefc "stty -echo; exec ${unstage}" /dev/null`
  return startCommand(place, ['sh', '-c', script], { env: { NO_COLOR: '1' } }).ended
}

test('without a terminal, --unstage of a changed writable copy says which files are lost, and goes on', async (context) => {
  const place = await copiedWorld(context)
  const staged = await changedCopy(place)
  const { stderr } = await succeed(place, ['--unstage', `--prefix=${staged}`])
  assert.equal(WARNING.exec(stderr)?.[1], 'are', stderr)
  assert.equal(existsSync(staged), false)
})

test('on a terminal, --unstage of a changed writable copy asks, and keeps the copy unless the answer is yes', async (context) => {
  const place = await copiedWorld(context)
  const staged = await changedCopy(place)
  for (const answer of ['n\\n', '\\n', 'yikes\\n', '']) {
    const { status, stdout } = await answering(place, staged, answer)
    assert.equal(status, 1, stdout)
    assert.match(stdout.replaceAll('\r', ''), new RegExp(`${WARNING.source}Remove ${staged} anyway\\? \\[y/N\\] `))
    assert.match(stdout, /ERROR: The copy .* was kept/)
    assert.ok(existsSync(`${staged}/bin/new`))
  }
  const { status, stdout } = await answering(place, staged, 'y\\n')
  assert.deepEqual([status, existsSync(staged)], [0, false], stdout)
})

test('--force unstages a changed writable copy without asking', async (context) => {
  const place = await copiedWorld(context)
  const staged = await changedCopy(place)
  const { status, stdout } = await answering(place, staged, 'n\\n', '--force')
  assert.deepEqual([status, existsSync(staged)], [0, false], stdout)
  assert.doesNotMatch(stdout, /anyway/)
})

test('--unstage says nothing of files if a writable copy is as it was made, or has lost some', async (context) => {
  const place = await copiedWorld(context)
  for (const change of [() => {}, (staged: string) => rmSync(`${staged}/share/greet/greeting.txt`)]) {
    const staged = await stageOf(place, ['--writable'])
    change(staged)
    const { stderr } = await succeed(place, ['--unstage', `--prefix=${staged}`])
    assert.doesNotMatch(stderr, /WARNING/)
  }
})

test('--unstage names virtual environments and Jupyter kernels that stop working without the copy', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place)
  const home = place.env.HOME!
  const kernel = (name: string, prefix: string) => {
    mkdirSync(`${home}/.local/share/jupyter/kernels/${name}`, { recursive: true })
    const file = `${home}/.local/share/jupyter/kernels/${name}/kernel.json`
    writeFileSync(file, JSON.stringify({ argv: [`${prefix}/bin/python`] }))
  }
  kernel('mine', staged)
  kernel('other', place.prefix)
  for (const name of ['.venv', 'active']) {
    mkdirSync(`${place.root}/${name}`)
    writeFileSync(`${place.root}/${name}/pyvenv.cfg`, `home = ${staged}/bin\n`)
  }
  const options = { cwd: place.root, env: { VIRTUAL_ENV: `${place.root}/active` } }
  const { stderr } = await succeed(place, ['--unstage', `--prefix=${staged}`], options)
  const warned = [...stderr.matchAll(/WARNING: The (.*) uses this copy, and stops working when the copy is removed\n/g)]
  assert.deepEqual(warned.map(([, what]) => what).sort(), [
    `Jupyter kernel ${home}/.local/share/jupyter/kernels/mine`,
    `virtual environment ${place.root}/.venv`,
    `virtual environment ${place.root}/active`,
  ])
})
