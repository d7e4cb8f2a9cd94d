import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { copiedWorld, run, succeed, type World } from './world.ts'

/** Runs a body that may not leave a trace in the environment. */
async function leaving(context: TestContext, body: (place: World) => Promise<unknown>): Promise<void> {
  const place = await copiedWorld(context)
  const before = stateOf(place)
  await body(place)
  assert.deepEqual(stateOf(place), before)
}

const stateOf = ({ prefix }: World) => [readdirSync(prefix).sort(), statSync(prefix, { bigint: true }).mtimeNs]

for (const [what, args] of [
  ['the local folder', (prefix) => [`--path=${prefix}/new`]],
  ['a link to it for the local folder', (prefix) => [`--path=${prefix}-link`]],
  ['the archive', (prefix) => ['--pack', `--output=${prefix}/x.zip`]],
  ['the archive through a link', (prefix) => ['--pack', `--output=${prefix}-link/x.tar.gz`]],
  ["conda-pack's archive", (prefix) => ['--pack', '--packer=conda-pack', `--output=${prefix}/x.tar.gz`]],
  ['a tar.bz2', (prefix) => ['--pack', '--format=tar.bz2', `--output=${prefix}/x.tar.bz2`]],
] satisfies [string, (prefix: string) => string[]][])
  test(`whoever names the environment itself as the place of ${what} is told so, and it stays as it was`, (context) =>
    leaving(context, async (place) => {
      symlinkSync(place.prefix, `${place.prefix}-link`)
      const { status, stderr } = await run(place, [...args(place.prefix), `--prefix=${place.prefix}`])
      assert.equal(status, 1, stderr)
      assert.match(stderr, /inside the environment, which is never changed/)
    }))

test('a TMPDIR or a folder for archives in the environment is passed over: copy and archive go elsewhere', (context) =>
  leaving(context, async (place) => {
    const env = { TMPDIR: `${place.prefix}/share`, XDG_CACHE_HOME: `${place.prefix}/cache` }
    const { stdout } = await succeed(place, [`--prefix=${place.prefix}`, '--verbose'], { env })
    assert.match(stdout, /^\/(?!.*\/share\/conda-stage_)/)
    assert.deepEqual([existsSync(place.archive), existsSync(`${place.prefix}/cache`)], [true, false])
    await succeed(place, ['--unstage', `--prefix=${stdout.trim()}`], { env })
  }))

test('a path that begins with ~ leads home, and not to a folder of that name in the current folder', async (context) => {
  const place = await copiedWorld(context)
  const cwd = `${place.root}/work`
  mkdirSync(cwd)
  const wrappers = await succeed(place, ['--wrappers=~/w', '--programs=greet', `--prefix=${place.prefix}`], { cwd })
  assert.match(wrappers.stderr, /home\/me\/w\/bin/)
  await succeed(place, ['--pack', '-o', '~/x.tar', '--prefix=~/miniconda3/envs/myjupyter'], { cwd })
  assert.ok(existsSync(`${place.env.HOME}/x.tar`))
  assert.equal((await run(place, ['--pack', '--output=./~/x.tar', `--prefix=${place.prefix}`], { cwd })).status, 1)
  assert.deepEqual(readdirSync(cwd), [])
})
