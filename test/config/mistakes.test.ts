import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { run, stageOf, succeed, world } from '../cli/world.ts'
import { place, statusOf } from './place.ts'

test('a mistake in the user file stops the work, and the error names file, line and key with a suggestion', async (context) => {
  const at = place(context, { user: 'threads: 2\nchekc: full\nwritable: yes\n' })
  for (const action of ['--stage', '--pack']) {
    const { status, stdout, stderr } = await run(at, [action, '--prefix=/nowhere'])
    assert.deepEqual([status, stdout], [2, ''])
    const first = `ERROR: ${at.userFile}, line 2: chekc: there is no such setting; did you mean 'check'?`
    const second = `       ${at.userFile}, line 3: writable: it is 'yes', but takes true or false`
    assert.ok(stderr.startsWith(`${first}\n${second}\n`), stderr)
    assert.match(stderr, /\n {7}Nothing was done\. Correct that file/)
  }
  const { error } = JSON.parse((await run(at, ['--pack', '--json', '--prefix=/nowhere'])).stdout)
  assert.deepEqual([error.code, error.path], ['CONFIG', at.userFile])
})

test('a mistake in the site file is only a warning, and its other keys hold', async (context) => {
  const at = place(context, { site: 'check: ful\nthreads: 2\n' })
  const { of, stderr, files } = await statusOf(at)
  const says = `${at.siteFile}, line 1: check: it is 'ful', but takes quick or full; did you mean 'full'?`
  assert.equal(stderr, `WARNING: ${says} (ignored; please tell the administrators)\n`)
  assert.deepEqual(
    [of('check'), of('threads')],
    [
      ['quick', 'built-in'],
      [2, at.siteFile],
    ],
  )
  assert.equal(files[1]!.state, 'faulty')
  const pack = await run(at, ['--pack', '--prefix=/nowhere'])
  assert.match(pack.stderr, /^WARNING: .*line 1: check: .*\nERROR: \/nowhere does not exist/)
})

test('a site file that is not YAML, a folder or missing is only a warning', async (context) => {
  const at = place(context, { site: 'a: b: c\n' })
  assert.match((await statusOf(at)).stderr, /^WARNING: \S+site\.yaml, line 1: /)
  mkdirSync(`${at.root}/folder`)
  const named = async (name: string) =>
    (await statusOf(at, [], { env: { CONDA_STAGE_SITE_CONFIG: `${at.root}/${name}` } })).stderr
  assert.match(await named('folder'), /^WARNING: \S+\/folder: can't be read: /)
  assert.match(await named('none'), /^WARNING: \S+\/none: .*does not exist/)
  assert.equal((await statusOf(at, [], { env: { CONDA_STAGE_SITE_CONFIG: '/dev/null' } })).stderr, '')
})

test('with a mistake in the user file, --help and --source work silently, and --status reports the mistake', async (context) => {
  const at = place(context, { user: 'chekc: full\nthreads: 2\n' })
  for (const action of ['--help', '--version', '--source=bash', '--modulefile=tcl']) {
    const { status, stderr } = await run(at, [action])
    assert.deepEqual([action, status, stderr], [action, 0, ''])
  }
  const { of, stderr } = await statusOf(at)
  assert.match(stderr, /^WARNING: .*line 1: chekc: .* \(ignored\)\n$/)
  assert.deepEqual(of('threads'), [2, at.userFile])
  const off = await run(at, ['--stage', '--prefix=/some/env'], { env: { CONDA_STAGE: 'false' } })
  assert.deepEqual([off.status, off.stdout], [0, '/some/env\n'])
})

test('a mistake made while a copy is in use does not prevent --unstage', async (context) => {
  const there = await world(context)
  const staged = await stageOf(there)
  const at = mistaken(context)
  const { stderr } = await succeed(there, ['--unstage', `--prefix=${staged}`], { env: at.env })
  assert.match(stderr, /^WARNING: .*chekc.*\nINFO: Removing/)
})

test('a site file that would expand without end is reported like any other mistake', async (context) => {
  const grow = (key: string, at: number) => `- &${key} [${Array(9).fill(at === 0 ? 'x' : `*${'abcdefghi'[at - 1]}`)}]`
  const site = `local-folders:\n${[...'abcdefghi'].map(grow).join('\n')}\nthreads: 2\n`
  const { stderr, of } = await statusOf(place(context, { site }))
  assert.match(stderr, /^WARNING: .*line 1: local-folders: it refers to itself too often/)
  assert.equal(of('threads')[0], 2)
})

const mistaken = (context: TestContext) => place(context, { user: 'chekc: full\n' })
