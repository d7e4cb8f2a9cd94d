import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
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
  assert.match(await named('folder'), /^WARNING: \S+\/folder: is a folder \(ignored; please tell/)
  assert.match(await named('none'), /^WARNING: \S+\/none: .*does not exist/)
  assert.equal((await statusOf(at, [], { env: { CONDA_STAGE_SITE_CONFIG: '/dev/null' } })).stderr, '')
})

test('whatever stands in place of the user file, staging ends with an error that names it, and --status with a warning, at once', async (context) => {
  const at = place(context)
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const cases: [string, () => void, RegExp][] = [
    ['a FIFO', () => execFileSync('mkfifo', [at.userFile]), /: is a FIFO/],
    ['a device', () => symlinkSync('/dev/zero', at.userFile), /: is a device/],
    ['a folder', () => mkdirSync(at.userFile), /: is a folder/],
    ['a socket', () => void socketAt(context, at.userFile), /: can't be read: it is a socket/],
    ['a sparse file of 100 MB', () => writeSparse(at.userFile, 100_000_000), /: is larger than 33 kB/],
    ['100,000 levels', () => writeFileSync(at.userFile, `threads: ${deep}\n`), /: is larger than 33 kB/],
    ['1,500 levels', () => writeFileSync(at.userFile, `\nthreads: ${'{a: '.repeat(1500)}\n`), /, line 2: /],
    [
      'a circle',
      () => writeFileSync(at.userFile, '\nlocal-folders: &a [*a]\n'),
      /, line 2: local-folders: it refers to itself/,
    ],
    ['no UTF-8', () => writeFileSync(at.userFile, Buffer.from('\n# \xff\n', 'latin1')), /, line 2: it is not UTF-8/],
    ['a NUL', () => writeFileSync(at.userFile, '\n\nthreads: 1\0\n'), /, line 3: it holds the control character 0x00/],
  ]
  for (const [what, make, says] of cases) {
    make()
    const staging = await run(at, ['--json', '--prefix=/nowhere'])
    assert.deepEqual([what, staging.status, JSON.parse(staging.stdout).error.code], [what, 2, 'CONFIG'])
    const named = new RegExp(`${at.userFile}${says.source}`)
    assert.match(staging.stderr, new RegExp(`^ERROR: ${named.source}`), what)
    const { stderr, files } = await statusOf(at)
    assert.match(stderr, new RegExp(`^WARNING: ${named.source}.* \\(ignored\\)$`, 'm'), what)
    assert.equal(files[0]!.state, 'faulty')
    rmSync(at.userFile, { recursive: true })
  }
})

function socketAt(context: TestContext, path: string): void {
  const server = createServer().listen(path)
  context.after(() => server.close())
}

function writeSparse(path: string, bytes: number): void {
  writeFileSync(path, '')
  truncateSync(path, bytes)
}

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
  assert.match(stderr, /^WARNING: .*line 1: local-folders: it refers to itself, or is nested too deeply/)
  assert.equal(of('threads')[0], 2)
})

const mistaken = (context: TestContext) => place(context, { user: 'chekc: full\n' })
