import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, lstatSync, readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { copiedWorld, stageOf, succeed, type World } from '../cli/world.ts'
import { ALICE, MALLORY, NEEDS_ROOT, readerAs, shellOf } from '../platform/other-users.ts'

/** An environment of Alice in a sticky folder in which everybody may make things, as is its local folder. */
async function sharedWorld(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  execFileSync('chown', ['-R', `${ALICE}:${ALICE}`, place.root])
  chmodSync(place.root, 0o755)
  for (const folder of [dirname(place.prefix), place.local]) {
    chownSync(folder, 0, 0)
    chmodSync(folder, 0o1777)
  }
  return place
}

const byAlice = { inside: readerAs(ALICE) }
const inCache = ({ root }: World) => readdirSync(`${root}/cache/conda-stage`)

/** What Mallory makes at the path `$1`. */
const THINGS = {
  folder: 'mkdir "$1"',
  file: ': > "$1"',
  link: 'ln -s /etc/passwd "$1"',
  FIFO: 'mkfifo "$1"',
}

for (const [kind, make] of Object.entries({ ...THINGS, 'full folder': 'mkdir -m 755 "$1" "$1/inner"' }))
  test(`a ${kind} that another user has put in the place of an archive's lock holds nobody up`, {
    skip: NEEDS_ROOT,
  }, async (context) => {
    const place = await sharedWorld(context)
    const lock = `${dirname(place.prefix)}/.${basename(place.archive)}.lock`
    shellOf({ uid: MALLORY }, make, lock)
    const { ino } = lstatSync(lock)
    const { stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`], byAlice)
    const [archive] = inCache(place)
    assert.match(
      stderr,
      new RegExp(`WARNING: ${lock} is in the way: .* belongs to uid ${MALLORY}\\. The archive goes to .*${archive}`),
    )
    // The next time that archive is found.
    const again = await succeed(place, ['--pack', `--prefix=${place.prefix}`], byAlice)
    assert.doesNotMatch(again.stderr, /WARNING|Packaging/)
    assert.deepEqual([lstatSync(lock).ino, existsSync(place.archive)], [ino, false])
  })

test('nobody waits for the packer of another user, however long it lives', { skip: NEEDS_ROOT }, async (context) => {
  const place = await sharedWorld(context)
  const lock = `${dirname(place.prefix)}/.${basename(place.archive)}.lock`
  shellOf({ uid: MALLORY }, THINGS.folder, lock)
  const renewal = spawn('sh', ['-c', 'while sleep .5; do touch "$1"; done', 'sh', lock], {
    uid: MALLORY,
    stdio: 'ignore',
  })
  context.after(() => renewal.kill())
  const { stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`], byAlice)
  assert.doesNotMatch(stderr, /waiting/)
  assert.match(stderr, /is in the way/)
})

for (const [kind, make] of Object.entries(THINGS))
  test(`a ${kind} that another user has put in the place of an archive is not used, and stops nobody`, {
    skip: NEEDS_ROOT,
  }, async (context) => {
    const place = await sharedWorld(context)
    shellOf({ uid: MALLORY }, make, place.archive)
    const { ino } = lstatSync(place.archive)
    const { stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`], byAlice)
    assert.match(stderr, new RegExp(`WARNING: The archive ${place.archive} is not used: .*\\. The archive goes to `))
    assert.doesNotMatch((await succeed(place, ['--pack', `--prefix=${place.prefix}`], byAlice)).stderr, /Packaging/)
    assert.equal(lstatSync(place.archive).ino, ino)
    assert.equal(inCache(place).length, 1)
  })

test('another user sees nothing of a copy in a folder that is open to all', { skip: NEEDS_ROOT }, async (context) => {
  const place = await sharedWorld(context)
  const copy = await stageOf(place, [], byAlice)
  assert.equal(shellOf({ uid: MALLORY }, 'cd "$1" 2>/dev/null || echo closed', dirname(copy)), 'closed')
})
