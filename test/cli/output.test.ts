/** Standard output, standard error or the way back to the shell can't be written to. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import * as library from '../../src/index.ts'
import { copiedWorld, MOUNTING, run, succeed, type World } from './world.ts'

/** Runs the program with the redirections of this shell script, in which "$@" is the command. */
const through = (script: string, shell = 'sh'): { inside: string[] } => ({ inside: [shell, '-c', script, shell] })

async function packed(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  await library.pack({ prefix: place.prefix, env: place.env })
  return place
}

const LOST: [what: string, script: string, reason: string][] = [
  ['is closed', '"$@" >&-', 'it is closed'],
  ['is on a full disk', '"$@" >/dev/full', 'the file system is full'],
]

for (const [what, script, reason] of LOST) {
  for (const json of [[], ['--json']]) {
    test(`a copy whose path is lost because standard output ${what} is removed, and that is an error${json.length ? ', also with --json' : ''}`, async (context) => {
      const place = await packed(context)
      const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, ...json]
      const { status, stderr } = await run(place, args, through(script))
      assert.equal(status, 1, stderr)
      assert.match(stderr, new RegExp(`ERROR: The result can't be written to standard output: ${reason}\n {7}Send `))
      assert.deepEqual(readdirSync(place.local), [])
    })
  }
}

test('a copy whose path nobody reads is removed, and that is an error', async (context) => {
  const place = await packed(context)
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  // The reader has gone before the program starts.
  const { stdout, stderr } = await run(place, args, through('{ { sleep 0.3; "$@"; echo $? >&3; } | :; } 3>&1', 'bash'))
  assert.match(stderr, /ERROR: The result can't be written to standard output: nobody reads it/)
  assert.equal(stdout, '1\n')
  assert.deepEqual(readdirSync(place.local), [])
})

test('whoever reads only the beginning of a text has what it wants, but a text that does not fit on the disk is an error', async (context) => {
  const place = await packed(context)
  for (const args of [['--help'], ['--status'], ['--source=bash'], ['--list']]) {
    const cut = await run(place, args, through('{ { sleep 0.3; "$@"; echo $? >&3; } | :; } 3>&1', 'bash'))
    assert.deepEqual([cut.stdout, cut.stderr], ['0\n', ''])
    for (const script of ['"$@" >/dev/full', '"$@" >&-']) {
      const { status, stderr } = await run(place, args, through(script))
      assert.equal(status, 1, stderr)
      assert.match(stderr, /^ERROR: The result can't be written to standard output: /)
    }
  }
})

test('staging goes on if its messages reach nobody', async (context) => {
  const place = await packed(context)
  for (const script of ['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" 2> >(:)', '"$@" <&- 2>&-']) {
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
    const { status, stdout } = await run(place, args, through(script, 'bash'))
    assert.equal(status, 0, script)
    await succeed(place, ['--unstage', `--prefix=${stdout.trimEnd()}`], through(script, 'bash'))
    const failed = await run(place, ['--prefix=/nowhere'], through(script, 'bash'))
    assert.equal(failed.status, 1, script)
  }
})

test("a copy of which its shell can't be told is removed, and the session stays as it is", async (context) => {
  const place = await packed(context)
  const folder = mkdtempSync(`${place.root}/code-`)
  const env = {
    CONDA_PREFIX: place.prefix,
    CONDA_SHLVL: '1',
    CONDA_STAGE_PATH: place.local,
    __CONDA_STAGE_SHELL: 'tcsh',
    __CONDA_STAGE_PID: String(process.pid),
  }
  const file = { ...env, __CONDA_STAGE_CODE: `${folder}/code` }
  const script =
    'mount -t tmpfs -o size=4k tmpfs "$1"; folder=$1; shift; yes >"$folder/x" 2>&- || status=$?; "$@" || status=$?; ls "$folder/code" 2>&- || exit $status'
  const inside = [...MOUNTING, script, 'sh', folder]
  const { status, stderr } = await run(place, [], { env: file, inside })
  assert.equal(status, 1, stderr)
  assert.match(
    stderr,
    /ERROR: This session can't be changed: .*\/code can't be written: the file system is full\n.*TMPDIR/,
  )
  assert.deepEqual(readdirSync(place.local), [])
  const pipe = { ...env, __CONDA_STAGE_SHELL: 'bash', __CONDA_STAGE_CODE: '8' }
  const ended = await run(place, [], {
    env: pipe,
    ...through('{ { sleep 0.3; "$@" 8>&1 >&2; echo $? >&3; } | :; } 3>&1', 'bash'),
  })
  assert.match(ended.stderr, /ERROR: This session can't be changed: the pipe to its shell can't be written/)
  assert.equal(ended.stdout, '1\n')
  assert.deepEqual(readdirSync(place.local), [])
})
