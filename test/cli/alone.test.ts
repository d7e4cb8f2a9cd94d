/** An archive by itself: the program, without a session. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { condaPack } from '../conda-pack/conda-pack.ts'
import { output } from '../conda-pack/support.ts'
import { ALICE, MALLORY, NEEDS_ROOT, readerAs } from '../platform/other-users.ts'
import { fails, run, stageOf, succeed, type World, world } from './world.ts'

/** A world of which only the archive is left, in a folder elsewhere. */
async function alone(context: TestContext): Promise<World & { file: string; args: string[] }> {
  const place = await world(context)
  mkdirSync(`${place.root}/shared`, { mode: 0o755 })
  const file = `${place.root}/shared/an archive.tar.zst`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${file}`])
  renameSync(place.prefix, `${place.root}/gone`)
  return { ...place, file, args: [`--archive=${file}`, `--path=${place.local}`] }
}

test('as a program, --archive prints the path of a copy that runs and verifies, and unstaging it needs no original', async (context) => {
  const place = await alone(context)
  const { stdout, stderr } = await succeed(place, place.args)
  const copy = stdout.trimEnd()
  assert.match(copy, new RegExp(`^${place.local}/conda-stage_\\w+/myjupyter$`))
  assert.match(stderr, /Staging .*an archive\.tar\.zst \(conda environment .*\/envs\/myjupyter, as it was then\)/)
  assert.equal(await output(`${copy}/bin/greet`, ['--prefix']), `${copy}\n`)
  await succeed(place, ['--verify', `--prefix=${copy}`])
  const list = await succeed(place, ['--list', '--json', `--path=${place.local}`])
  assert.equal(JSON.parse(list.stdout).stages[0].original, place.prefix)
  await succeed(place, ['--unstage', `--prefix=${copy}`])
  assert.deepEqual(readdirSync(place.local), [])
})

test('--dry-run says what --archive would do, and writes nothing', async (context) => {
  const place = await alone(context)
  const { stdout } = await succeed(place, [...place.args, '--dry-run', '--json'])
  const { archive, original, local, files } = JSON.parse(stdout)
  assert.deepEqual(
    [archive.path, archive.state, original, local.path],
    [place.file, 'alone', place.prefix, place.local],
  )
  assert.ok(files > 10)
  assert.deepEqual(readdirSync(place.local), [])
})

test('the copy of an archive alone is never taken for one of the environment, whatever the archive says of itself', async (context) => {
  const place = await world(context)
  const mine = await stageOf(place)
  // The same archive, from the same place: only the way to it differs.
  const { stdout } = await succeed(place, [`--archive=${place.archive}`, `--path=${place.local}`])
  assert.notEqual(stdout.trimEnd(), mine)
  assert.equal(await stageOf(place), mine)
  const again = await succeed(place, [`--archive=${place.archive}`, `--path=${place.local}`])
  assert.equal(again.stdout, stdout)
})

test('a copy whose original and archive are both gone may be the last one, and is removed only by --force', async (context) => {
  const place = await alone(context)
  const { stdout } = await succeed(place, place.args)
  rmSync(place.file)
  const { status, stderr } = await run(place, ['--unstage', `--prefix=${stdout.trimEnd()}`])
  assert.equal(status, 1)
  assert.match(stderr, /ERROR: The archive .*an archive\.tar\.zst is gone or can't be reached.* was not removed/)
  assert.ok(existsSync(stdout.trimEnd()))
  await succeed(place, ['--unstage', '--force', `--prefix=${stdout.trimEnd()}`])
})

test('an archive that conda-pack made is staged by itself, and is converted once', async (context) => {
  const place = await world(context, { byHand: true })
  const file = `${place.root}/theirs.tar.gz`
  await condaPack(place.prefix, file)
  rmSync(place.prefix, { recursive: true })
  const args = [`--archive=${file}`, `--path=${place.local}`]
  const { stdout, stderr } = await succeed(place, args)
  assert.match(stdout, /\/theirs\n$/)
  assert.match(stderr, /INFO: Unpacking\n/)
  assert.equal(await output(`${stdout.trimEnd()}/bin/greet`, ['--prefix']), stdout)
  await succeed(place, ['--verify', `--prefix=${stdout.trimEnd()}`])
  const again = await succeed(place, args)
  assert.equal(again.stdout, stdout)
  assert.doesNotMatch(again.stderr, /Unpacking/)
})

test('a file that is missing, no archive, damaged, or made for another place is named, with what to do next', async (context) => {
  const place = await world(context)
  const args = (file: string) => [`--archive=${file}`, `--path=${place.local}`]
  const { root } = place
  await fails(place, args(`${root}/none.tar.zst`), { code: 'NO_ARCHIVE', path: `${root}/none.tar.zst`, hint: '--pack' })
  copyFileSync('/bin/ls', `${root}/ls`)
  await fails(place, args(`${root}/ls`), { code: 'ARCHIVE_FOREIGN', path: `${root}/ls`, hint: /./ })
  const elsewhere = `${root}/elsewhere.tar.zst`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${elsewhere}`, '--dest-prefix=@PLACE@'])
  await fails(place, args(elsewhere), { code: 'ARCHIVE_FOREIGN', says: '--dest-prefix', hint: '--dest-prefix' })
  const cut = `${root}/cut.tar.zst`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${cut}`])
  await output('dd', ['if=/dev/urandom', `of=${cut}`, 'bs=1', 'seek=500', 'count=300', 'conv=notrunc', 'status=none'])
  await fails(place, args(cut), { code: 'ARCHIVE_DAMAGED', path: cut, hint: /./ })
})

test('--archive with an option about another environment or another archive is wrong usage', async (context) => {
  const place = await world(context)
  for (const other of ['--prefix=/x', '--output=/x.tar.zst', '--force', '--check=full', '--name=x']) {
    const { status, stderr } = await run(place, ['--archive=/x.tar.zst', other])
    assert.equal(status, 2, other)
    assert.match(stderr, new RegExp(`--archive and ${other.replace(/=.*/, '')} can't be combined`))
  }
  const { status, stderr } = await run(place, ['--pack', '--archive=/x.tar.zst'])
  assert.equal(status, 2)
  assert.match(stderr, /--archive works only with/)
})

test("a colleague's archive is staged, and named as theirs; one that somebody else could exchange or change is not", {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = await alone(context)
  const { file, root, args } = place
  chmodSync(root, 0o755)
  for (const folder of ['home/me', 'cache', 'local']) {
    mkdirSync(`${root}/${folder}`, { recursive: true })
    chownSync(`${root}/${folder}`, MALLORY, MALLORY)
  }
  const inside = readerAs(MALLORY)
  chownSync(file, ALICE, ALICE)
  const { stdout, stderr } = await succeed(place, args, { inside })
  assert.match(stderr, new RegExp(`INFO: .*an archive\\.tar\\.zst belongs to uid ${ALICE}, whose programs run as you`))
  await succeed(place, ['--unstage', `--prefix=${stdout.trimEnd()}`], { inside })

  const refused = async (says: RegExp, hint: RegExp) => {
    const ended = await run(place, args, { inside })
    assert.equal(ended.status, 1)
    assert.match(ended.stderr, says)
    assert.match(ended.stderr, hint)
    assert.deepEqual(readdirSync(place.local), [])
  }
  chmodSync(`${root}/shared`, 0o777)
  await refused(
    /others can put another file in its place: \S+ is writable for everybody/,
    /copy it to a folder of your own/,
  )
  chmodSync(`${root}/shared`, 0o1777)
  await succeed(place, ['--archive', file, '--dry-run', `--path=${place.local}`], { inside })
  chmodSync(file, 0o664)
  await refused(/is not used: other users can write to it/, /chmod go-w/)
})

test('an image is staged by itself: extracted, relocated, shared and sound, and read once', async (context) => {
  const place = await world(context)
  const file = `${place.root}/an image.sqfs`
  await succeed(place, ['--pack', '--format=squashfs', `--prefix=${place.prefix}`, `--output=${file}`])
  renameSync(place.prefix, `${place.root}/gone`)
  const args = [`--archive=${file}`, `--path=${place.local}`]
  const look = await succeed(place, [...args, '--dry-run', '--json'])
  assert.ok(JSON.parse(look.stdout).files > 10)
  assert.deepEqual(readdirSync(place.local), [])
  const { stdout, stderr } = await succeed(place, args)
  assert.match(stderr, /INFO: Reading the image .*an image\.sqfs/)
  const copy = stdout.trimEnd()
  assert.match(copy, /\/myjupyter$/)
  assert.equal(await output(`${copy}/bin/greet`, ['--prefix']), `${copy}\n`)
  await succeed(place, ['--verify', `--prefix=${copy}`])
  const again = await succeed(place, args)
  assert.equal(again.stdout, stdout)
  assert.doesNotMatch(again.stderr, /Reading the image|Extracting/)
})

test('--exec runs a command from an archive alone, in its environment, and the copy goes with it', async (context) => {
  const place = await alone(context)
  const script = 'echo "$CONDA_PREFIX"; greet --prefix; exit 7'
  const { status, stdout, stderr } = await run(place, [...place.args, '--exec', '--', 'sh', '-c', script])
  assert.equal(status, 7, stderr)
  const [prefix, greeted] = stdout.split('\n')
  assert.ok(prefix!.startsWith(`${place.local}/conda-stage_`), stdout)
  assert.equal(greeted, prefix)
  for (let tries = 0; tries < 100 && readdirSync(place.local).length > 0; tries++) await sleep(100)
  assert.deepEqual(readdirSync(place.local), [])
  const strict = await run(place, [...place.args, '--exec=strict', '--', 'true'])
  assert.equal(strict.status, 1)
  assert.match(strict.stderr, /can't be shown at the path of its original/)
})

test('what an image or an archive of conda-pack was converted into is made again if it is damaged', async (context) => {
  const place = await world(context, { byHand: true })
  const image = `${place.root}/an image.sqfs`
  const theirs = `${place.root}/theirs.tar.gz`
  await succeed(place, ['--pack', '--format=squashfs', `--prefix=${place.prefix}`, `--output=${image}`])
  await condaPack(place.prefix, theirs)
  rmSync(place.prefix, { recursive: true })
  const cache = `${place.env.XDG_CACHE_HOME}/conda-stage`
  for (const file of [image, theirs]) {
    const args = [`--archive=${file}`, `--path=${place.local}`, '--private']
    await succeed(place, args)
    for (const name of readdirSync(cache)) {
      const bytes = readFileSync(`${cache}/${name}`)
      // In the first frame of contents.
      bytes.fill(0, 1500, 1600)
      writeFileSync(`${cache}/${name}`, bytes)
    }
    const { stdout, stderr } = await succeed(place, args)
    assert.match(stderr, /WARNING: .* Converting .* again/)
    assert.equal(await output(`${stdout.trimEnd()}/bin/greet`, ['--prefix']), stdout)
    assert.doesNotMatch((await succeed(place, args)).stderr, /Converting/)
    for (const name of readdirSync(cache)) rmSync(`${cache}/${name}`)
  }
})
