import assert from 'node:assert/strict'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { configure } from '../config/place.ts'
import { copiedWorld, fails, listing, type RunOptions, run, succeed, type World } from './world.ts'

const GO_ON = '--on-failure=continue'
/** No copy can be made there. */
const NOWHERE = '--path=/proc/nowhere'

/** The call succeeds with the original's prefix, and a warning says what failed and what to do. */
async function goesOn(place: World, args: string[], says: RegExp, options: RunOptions = {}): Promise<void> {
  const before = listing(dirname(place.prefix))
  const { status, stdout, stderr } = await run(place, args, options)
  assert.deepEqual([status, stdout], [0, `${place.prefix}\n`], stderr)
  assert.match(stderr, says)
  assert.doesNotMatch(stderr, /\n {4}at /)
  assert.deepEqual(listing(dirname(place.prefix)), before)
  assert.deepEqual(readdirSync(place.local), [])
}

test('with --on-failure=continue, --prefix=ENV prints the prefix of the original if staging fails, and a warning says why', async (context) => {
  const place = await copiedWorld(context)
  const says = new RegExp(`^WARNING: '${place.prefix}' was not staged: .*/proc/nowhere.*\n {9}\\w`, 'm')
  await goesOn(place, [`--prefix=${place.prefix}`, NOWHERE, GO_ON], says)
  await goesOn(place, ['--prefix', 'myjupyter', NOWHERE, GO_ON, '--quiet'], says, { cwd: dirname(place.prefix) })
  writeFileSync(place.archive, 'somebody’s notes')
  chmodSync(place.archive, 0o666)
  await goesOn(place, [`--prefix=${place.prefix}`, `--path=${place.local}`, GO_ON], /WARNING: .*was not staged: .*zst/)
})

test('with --on-failure=continue and --json, programs get the prefix of the original, and the error', async (context) => {
  const { prefix, ...place } = await copiedWorld(context)
  const { stdout } = await succeed({ ...place, prefix }, [`--prefix=${prefix}`, NOWHERE, GO_ON, '--json'])
  const { error, ...result } = JSON.parse(stdout)
  assert.deepEqual(result, { skipped: true, original: prefix, prefix })
  assert.deepEqual([error.code, error.path], ['TARGET_UNWRITABLE', '/proc/nowhere'])
  assert.match(error.message, /\/proc\/nowhere/)
  assert.match(error.hint, /\w/)
})

test('a configuration file can say on-failure: continue, and --on-failure=fail overrules it', async (context) => {
  const place = await copiedWorld(context)
  configure(place, 'on-failure: continue\n')
  await goesOn(place, [`--prefix=${place.prefix}`, NOWHERE], /^WARNING: /m)
  const failure = { code: 'TARGET_UNWRITABLE', hint: /\w/ } as const
  await fails(place, [`--prefix=${place.prefix}`, NOWHERE, '--on-failure=fail'], failure)
  await fails(
    { ...place, env: { ...place.env, CONDA_STAGE_SITE_CONFIG: '/none', HOME: '/' } },
    [`--prefix=${place.prefix}`, NOWHERE],
    failure,
  )
})

test('with --on-failure=continue, wrong usage and a wrong configuration file still end with 2', async (context) => {
  const place = await copiedWorld(context)
  const status = async (args: string[], options?: RunOptions) =>
    (await run(place, [`--prefix=${place.prefix}`, NOWHERE, GO_ON, ...args], options)).status
  assert.equal(await status(['--bogus']), 2)
  assert.equal(await status([], { env: { CONDA_STAGE_WRITABLE: 'maybe' } }), 2)
  configure(place, 'chekc: full\n')
  assert.equal(await status([]), 2)
})

test('with --on-failure=continue, a pack and a dry run that fail still end with 1', async (context) => {
  const place = await copiedWorld(context)
  for (const args of [
    ['--pack', '--output=/proc/nowhere/a.tar.zst'],
    ['--dry-run', NOWHERE],
  ])
    assert.equal((await run(place, [`--prefix=${place.prefix}`, GO_ON, ...args])).status, 1)
})

test('with --on-failure=continue, limits in which the program can not run cost the copy only', async (context) => {
  const place = await copiedWorld(context)
  // So small an environment is packed without threads.
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  for (const [limit, says] of [
    ['-v 1000000', /^ERROR: conda-stage can't start: .*\n.*\nWARNING: nothing was staged\n$/],
    ['-d 1000000', /WARNING: '.*' was not staged: The limits of this session leave no room/],
  ] as const) {
    const inside = ['bash', '-c', `ulimit ${limit} && exec "$@"`, 'bash']
    for (const args of [[`--prefix=${place.prefix}`], ['-p', place.prefix], [`-p${place.prefix}`]])
      await goesOn(place, [...args, `--path=${place.local}`, GO_ON], says, { inside })
    await goesOn(place, ['-p=myjupyter', GO_ON], says, { inside, cwd: dirname(place.prefix) })
    for (const args of [[], ['--on-failure=fail']])
      assert.equal((await run(place, [`--prefix=${place.prefix}`, ...args], { inside })).status, 1)
  }
})
