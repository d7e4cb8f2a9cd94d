/** Sessions that are short of something: a home, /proc, permission bits, files, processes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { copiedWorld, listing, MOUNTING, type RunOptions, run, succeed, type World } from '../cli/world.ts'
import { ALICE, NEEDS_ROOT } from '../platform/other-users.ts'

/** Goes in front of the program. It can still read this checkout, wherever that lies. */
const asAlice = ['--bounding-set', '--inh-caps', '--ambient-caps'].map((set) => `${set}=-all,+dac_read_search`)
const ALICES = ['setpriv', `--reuid=${ALICE}`, `--regid=${ALICE}`, '--clear-groups', ...asAlice, '--']
const limited = (script: string): string[] => ['sh', '-c', `${script}; exec "$@"`, 'sh']

async function alicesWorld(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  execFileSync('chown', ['-R', `${ALICE}:${ALICE}`, place.root])
  return place
}

/** Packs, stages from the archive, verifies and unstages. Gives the standard error of the first stage. */
async function worksIn(place: World, options: RunOptions): Promise<string> {
  const stage = [`--prefix=${place.prefix}`, `--path=${place.local}`, '--private']
  const before = listing(place.prefix)
  const first = await succeed(place, stage, options)
  const second = await succeed(place, stage, options)
  for (const { stdout } of [first, second]) {
    const prefix = stdout.trimEnd()
    assert.equal(statSync(dirname(prefix)).mode & 0o7777, 0o700)
    await succeed(place, ['--verify', `--prefix=${prefix}`], options)
    await succeed(place, ['--unstage', '--force', `--prefix=${prefix}`], options)
  }
  assert.deepEqual(readdirSync(place.local), [])
  assert.deepEqual(listing(place.prefix), before)
  return first.stderr
}

for (const [what, script] of [
  ['with 256 open files and 64 processes', 'ulimit -n 256; ulimit -u 64'],
  ['under umask 000', 'umask 000'],
  ['under umask 077', 'umask 077'],
  ['under umask 777', 'umask 777'],
] as const) {
  test(`an ordinary user packs, stages, verifies and unstages ${what}`, { skip: NEEDS_ROOT }, async (context) => {
    const place = await alicesWorld(context)
    await worksIn(place, { inside: [...ALICES, ...limited(script)] })
    // Nobody else can write to the archive, whatever the umask is.
    assert.equal(statSync(place.archive).mode & 0o022, 0)
  })
}

test('a user in no user database, without HOME, stages with the archive beside the environment', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = await alicesWorld(context)
  const env = { HOME: undefined, XDG_CACHE_HOME: undefined, USER: undefined }
  assert.doesNotMatch(await worksIn(place, { inside: ALICES, env }), /WARNING/)
  for (const action of ['--status', '--list']) await succeed(place, [action], { inside: ALICES, env })
})

test('a home that can not be written to costs nothing but an archive that has no other place', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = await alicesWorld(context)
  chmodSync(`${place.root}/home/me`, 0o555)
  const env = { XDG_CACHE_HOME: undefined }
  assert.doesNotMatch(await worksIn(place, { inside: ALICES, env }), /WARNING/)
  execFileSync('rm', [place.archive])
  chmodSync(dirname(place.prefix), 0o555)
  assert.match(
    await worksIn(place, { inside: ALICES, env }),
    /WARNING: The archive .* can't be written: permission denied/,
  )
})

test('an environment of another user, beside which no archive can be written, is staged with an archive in the cache folder, or without one', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = await alicesWorld(context)
  execFileSync('chown', ['-R', '0:0', `${place.root}/home/me/miniconda3`])
  const options = { inside: ALICES }
  assert.match(await worksIn(place, options), /INFO: The archive goes to \S+\/cache\/conda-stage\//)
  execFileSync('rm', ['-r', `${place.root}/cache`])
  const env = { HOME: undefined, XDG_CACHE_HOME: undefined, USER: undefined }
  const says = new RegExp(`WARNING: The archive ${place.archive} can't be written: permission denied`)
  assert.match(await worksIn(place, { ...options, env }), says)
  chmodSync(`${place.root}/home/me`, 0o555)
  assert.match(await worksIn(place, { ...options, env: { XDG_CACHE_HOME: undefined } }), says)
})

test('without /proc everything works, too', async (context) => {
  const place = await copiedWorld(context)
  const script = 'mount -t tmpfs tmpfs /proc; exec "$@"'
  await worksIn(place, { inside: [...MOUNTING, script, 'sh'] })
})

test('a limit in which nothing can be staged is an error that names it, and leaves nothing unfinished', async (context) => {
  const place = await copiedWorld(context)
  for (const files of [24, 33, 40]) {
    const inside = limited(`ulimit -n ${files}`)
    const { status, stderr } = await run(place, [`--prefix=${place.prefix}`, `--path=${place.local}`], { inside })
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`ERROR: .*\\b${files}\\b.*\\(ulimit -n\\)`))
    assert.doesNotMatch(stderr, /bug/)
    assert.deepEqual(readdirSync(place.local), [])
    assert.ok(readdirSync(dirname(place.prefix)).every((name) => name.startsWith(place.name)))
  }
})
