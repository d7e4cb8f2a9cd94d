import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeOneFile } from '../../scripts/release.ts'
import { programVersion } from '../../src/platform/program.ts'
import { copiedWorld, temporaryFolder } from '../cli/world.ts'
import { bare, parts, printed } from './built.ts'

const { out, what } = await parts()
/** Its path has a blank. */
const FILE = writeOneFile(out, what)

/** A new home, and where the program is unpacked in it. */
function home(context: TestContext) {
  const HOME = join(temporaryFolder(context), 'home')
  mkdirSync(HOME)
  return { HOME, cache: join(HOME, '.cache/conda-stage') }
}

test('one file is all that is needed: without a Node, without variables, it runs, and unpacks itself only once', (context) => {
  const { HOME, cache } = home(context)
  assert.equal(printed([FILE, '--version'], { HOME }), `${programVersion()}\n`)
  const [program, ...others] = readdirSync(cache)
  assert.deepEqual(others, [])
  // What was unpacked is what runs.
  rmSync(join(cache, program!, 'package.json'))
  writeFileSync(join(cache, program!, 'package.json'), '{ "version": "unpacked" }')
  assert.equal(printed([FILE, '--version'], { HOME }), 'unpacked\n')
})

test('the file stages, joins, verifies and unstages in a session, and runs a command in the original place', async (context) => {
  const { env, prefix, local } = await copiedWorld(context)
  const session = `
    eval "$("$1" --source)"
    export CONDA_PREFIX=${prefix} CONDA_SHLVL=1 CONDA_DEFAULT_ENV=myjupyter PATH=${prefix}/bin:$PATH
    conda-stage --path=${local} --quiet || exit
    echo "staged $CONDA_PREFIX"
    conda-stage --verify --quiet || exit
    (exec "$1" --prefix=${prefix} --path=${local} --quiet) || exit
    conda-stage --unstage --quiet || exit
    echo "back in $CONDA_PREFIX"
    "$1" --exec --prefix=${prefix} --path=${local} -- sh -c 'echo "in $CONDA_PREFIX"; exit 7'
    echo "status $?"`
  const lines = printed(['bash', '-c', session, 'bash', FILE], env).trim().split('\n')
  assert.match(lines[0]!, new RegExp(`^staged ${local}/conda-stage_`))
  assert.deepEqual(lines.slice(1), [lines[0]!.slice(7), `back in ${prefix}`, `in ${prefix}`, 'status 7'])
})

test('four first starts at once unpack one program, and leave nothing else', async (context) => {
  const { HOME, cache } = home(context)
  const starts = Array.from({ length: 4 }, () => spawn(FILE, ['--version'], { env: { HOME }, stdio: 'ignore' }))
  const codes = await Promise.all(starts.map(async (child) => (await once(child, 'close'))[0]))
  assert.deepEqual(new Set(codes), new Set([0]))
  assert.equal(readdirSync(cache).length, 1)
})

test('a file that was cut in the download says so, leaves no debris, and with --on-failure=continue the original', (context) => {
  const { HOME, cache } = home(context)
  const cut = join(dirname(HOME), 'cut')
  writeFileSync(cut, readFileSync(FILE))
  truncateSync(cut, 5_000_000)
  chmodSync(cut, 0o755)
  const { status, stderr } = bare([cut, '--version'], { HOME })
  assert.equal(status, 1)
  assert.match(stderr, /unexpected end of file[\s\S]*If the file \S+ is damaged, get it again\.\n$/)
  assert.deepEqual(readdirSync(cache), [])
  assert.equal(printed([cut, '--on-failure=continue', '--prefix=/far/env'], { HOME }), '/far/env\n')
})

test('a home that cannot be written to is no obstacle: the program goes to a folder of the user in /tmp', (context) => {
  const { HOME } = home(context)
  chmodSync(HOME, 0o500)
  const versions = printed([FILE, '--version', '--full'], { HOME })
  const [, program = ''] = /^node: \S+ \((\/tmp\/conda-stage-of-\d+\/program-[^/]+)\//m.exec(versions) ?? []
  assert.ok(existsSync(program), versions)
  rmSync(program, { recursive: true })
})

test('a program in a folder of another user is not run', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, (context) => {
  const { HOME, cache } = home(context)
  printed([FILE, '--version'], { HOME })
  const [program] = readdirSync(cache)
  const versions = bare(['sh', '-c', 'chown -R nobody "$HOME" && exec "$1" --version --full', 'sh', FILE], {
    HOME,
  }).stdout
  assert.doesNotMatch(versions, new RegExp(HOME))
  rmSync(`/tmp/conda-stage-of-0/${program}`, { recursive: true })
})

test('a program of somebody else in a folder of the user, which a group may write to, is not run', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, (context) => {
  const { HOME, cache } = home(context)
  printed([FILE, '--version'], { HOME })
  const [program = ''] = readdirSync(cache)
  const theirs = join(cache, program)
  rmSync(join(theirs, 'package.json'))
  writeFileSync(join(theirs, 'package.json'), '{ "version": "theirs" }')
  chownSync(theirs, 65534, 65534)
  assert.equal(printed([FILE, '--version'], { HOME }), `${programVersion()}\n`)
  rmSync(`/tmp/conda-stage-of-0/${program}`, { recursive: true })
})

test('what a first start left that was killed goes with a later one, and what another is unpacking stays', (context) => {
  const { HOME, cache } = home(context)
  for (const name of ['.new.killed', '.new.unpacking']) mkdirSync(join(cache, name, 'dist'), { recursive: true })
  const twoHoursAgo = Date.now() / 1000 - 7200
  utimesSync(join(cache, '.new.killed'), twoHoursAgo, twoHoursAgo)
  printed([FILE, '--version'], { HOME })
  assert.deepEqual(
    readdirSync(cache).filter((name) => name.startsWith('.')),
    ['.new.unpacking'],
  )
})
