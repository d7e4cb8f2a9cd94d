import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type TestContext, test } from 'node:test'
import { copiedWorld, stageOf, succeed, type World } from '../cli/world.ts'

const FROZEN = 'conda-meta/frozen'
const managed = (folder: string) => `${folder}/EXTERNALLY-MANAGED`

async function worldWithPython(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  mkdirSync(`${place.prefix}/lib/python3.12/site-packages`, { recursive: true })
  return place
}

test('pip and conda are told to leave a read-only copy alone, in every Python of it, and how to install instead', async (context) => {
  const place = await worldWithPython(context)
  mkdirSync(`${place.prefix}/lib/pypy3.11/site-packages`, { recursive: true })
  mkdirSync(`${place.prefix}/opt/other/lib/python3.9`, { recursive: true })
  writeFileSync(`${place.prefix}/opt/other/lib/python3.9/os.py`, '')
  mkdirSync(`${place.prefix}/opt/venv/lib/python3.12/site-packages`, { recursive: true })
  const staged = await stageOf(place)
  for (const folder of ['lib/python3.12', 'lib/pypy3.11', 'opt/other/lib/python3.9']) {
    const text = readFileSync(`${staged}/${managed(folder)}`, 'utf8')
    assert.match(
      text,
      /^\[externally-managed\]\nError=.*copy(.*\n )+.*conda-stage --unstage\n .*conda-stage --writable\n$/,
    )
  }
  assert.equal(existsSync(`${staged}/${managed('opt/venv/lib/python3.12')}`), false)
  const { message } = JSON.parse(readFileSync(`${staged}/${FROZEN}`, 'utf8'))
  assert.match(message, /conda-stage --unstage[\s\S]*conda-stage --writable/)
  assert.equal(lstatSync(`${staged}/${FROZEN}`).mode & 0o222, 0)
  const writable = await stageOf(place, ['--writable'])
  for (const path of [FROZEN, managed('lib/python3.12')]) assert.equal(existsSync(`${writable}/${path}`), false, path)
})

test('conda install shows an ordinary user how to install, because conda finds the history of a read-only copy writable', async (context) => {
  const place = await worldWithPython(context)
  chmodSync(`${place.prefix}/conda-meta/history`, 0o444)
  const staged = await stageOf(place)
  assert.equal(lstatSync(`${staged}/conda-meta/history`).mode & 0o7777, 0o644)
  const { stderr } = await succeed(place, ['--verify', `--prefix=${staged}`])
  assert.match(stderr, /is sound/)
})

test("the copy's own files are in neither the original nor the archive, and leave the times of its folders alone", async (context) => {
  const place = await worldWithPython(context)
  const staged = await stageOf(place)
  for (const path of [FROZEN, managed('lib/python3.12'), 'etc/conda/activate.d/conda-stage-envs.sh'])
    assert.deepEqual([existsSync(`${staged}/${path}`), existsSync(`${place.prefix}/${path}`)], [true, false], path)
  for (const folder of ['conda-meta', 'lib/python3.12', 'etc'])
    assert.equal(
      lstatSync(`${staged}/${folder}`).mtime.getTime(),
      lstatSync(`${place.prefix}/${folder}`).mtime.getTime(),
    )
  const { stderr } = await succeed(place, ['--verify', `--prefix=${staged}`])
  assert.match(stderr, /is sound/)
  assert.doesNotMatch(stderr, /[1-9]\d* harmless/)
})

test("--verify lists one of the copy's own files that was edited", async (context) => {
  const place = await worldWithPython(context)
  const staged = await stageOf(place)
  chmodSync(`${staged}/${FROZEN}`, 0o644)
  appendFileSync(`${staged}/${FROZEN}`, ' ')
  const { stdout } = await succeed(place, ['--verify', `--prefix=${staged}`, '--json'])
  assert.deepEqual(
    JSON.parse(stdout).findings.map(({ path, kind }: { path: string; kind: string }) => [path, kind]),
    [[FROZEN, 'added']],
  )
})

test('files of these names that the original has itself are in the copy as they are', async (context) => {
  const place = await worldWithPython(context)
  const own = [FROZEN, managed('lib/python3.12')]
  for (const path of own) writeFileSync(`${place.prefix}/${path}`, '{}')
  for (const args of [[], ['--writable']]) {
    const staged = await stageOf(place, args)
    for (const path of own) assert.equal(readFileSync(`${staged}/${path}`, 'utf8'), '{}')
  }
})

test('nothing is written through a link that leads out of the copy', async (context) => {
  const place = await worldWithPython(context)
  const outside = `${place.root}/outside`
  mkdirSync(`${outside}/conda/activate.d`, { recursive: true })
  renameSync(`${place.prefix}/etc`, `${place.prefix}/etc-away`)
  symlinkSync(outside, `${place.prefix}/etc`)
  await stageOf(place)
  assert.deepEqual(readdirSync(`${outside}/conda/activate.d`), [])
})
