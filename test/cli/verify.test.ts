import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { test } from 'node:test'
import { run, stageOf, succeed, type World, world } from './world.ts'

const output = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' })

async function verify(place: World, staged: string) {
  const { status, stdout, stderr } = await run(place, ['--verify', `--prefix=${staged}`, '--json'])
  const { findings } = JSON.parse(stdout) as { findings: { path: string; kind: string; harmless: boolean }[] }
  const matter = findings.filter(({ harmless }) => !harmless).map(({ path, kind }) => `${kind} ${path}`)
  return { status, stderr, matter: matter.sort() }
}

test('--verify ends with 0 and says that a copy is sound if its path is as long as the original', async (context) => {
  const place = await world(context, { byHand: true })
  const staged = await stageOf(place)
  assert.equal(staged.length, place.prefix.length)
  const { stdout, stderr } = await succeed(place, ['--verify', `--prefix=${staged}`])
  assert.equal(stdout, '')
  assert.match(stderr, new RegExp(`^INFO: ${staged} is sound: nothing that runs reaches ${place.prefix} \\(0 harmless`))
})

test('a copy with a longer path runs what has room for it; files without room cause a warning, and --verify fails', async (context) => {
  const place = await world(context, { byHand: true, at: 'e/me' })
  mkdirSync(`${place.prefix}2`)
  place.local = `${place.root}/${'long/'.repeat(8)}local`
  mkdirSync(place.local, { recursive: true })
  const { stdout, stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  const staged = stdout.trimEnd()
  assert.ok(staged.length > place.prefix.length)
  assert.match(
    stderr,
    /WARNING: These files still point to the original, because the copy's path is longer .*: .*bin\/by-hand.*--path=DIR/,
  )
  assert.equal(output(`${staged}/bin/greet`, '--prefix'), `${staged}\n`)
  assert.equal(output(`${staged}/bin/greet`, '--library-prefix'), `${staged}\n`)
  assert.equal(output(`${staged}/bin/greet-script`), `script ${staged}/bin/greet-script\n`)
  assert.equal(readFileSync(`${staged}/share/by-hand/end-of-file`, 'utf8'), staged)
  assert.equal(
    readFileSync(`${staged}/share/by-hand/neighbour`, 'utf8'),
    `${place.prefix}2/lib is another environment\n`,
  )
  const verified = await verify(place, staged)
  assert.equal(verified.status, 1)
  assert.deepEqual(verified.matter, ['prefix bin/by-hand', 'prefix share/by-hand/utf16.txt'])
  assert.match(verified.stderr, new RegExp(`ERROR: ${staged}: 2 of \\d+ findings matter`))
  assert.match(verified.stderr, /Stage to a shorter folder \(--path=DIR\)/)
  execFileSync('mv', [place.prefix, `${place.prefix}-away`])
  assert.equal(output(`${staged}/bin/greet`), 'Hello from the environment\n')
  // The warning is true: this program goes by the prefix that could not be replaced.
  assert.equal(output(`${staged}/bin/by-hand`).split('\n')[0], place.prefix)
})

test('a copy with a shorter path runs what can be shortened; other files cause a warning, and --verify fails', async (context) => {
  // The real prefix, behind a symbolic link, is longer than the logical one, and the copy is as long as the latter.
  const place = await world(context, { byHand: true, at: 'data/of/all/the/people/in/the/group/me/envs/myjupyter' })
  const real = place.prefix
  symlinkSync('data/of/all/the/people/in/the/group/me/envs', `${place.root}/my-very-own-environments`)
  const prefix = `${place.root}/my-very-own-environments/myjupyter`
  for (let n = 0; n < 40; n++) appendFileSync(`${real}/etc/logical`, `${prefix}\n`)
  // The index of an archive tells how often each of the two prefixes occurs.
  await succeed(place, ['--pack', `--prefix=${prefix}`])
  const { stdout, stderr } = await succeed(place, [`--prefix=${prefix}`, `--path=${place.local}`])
  const staged = stdout.trimEnd()
  assert.equal(staged.length, prefix.length)
  assert.match(
    stderr,
    /WARNING: These files still point to the original, because the copy's path has a different length: .*bin\/by-hand/,
  )
  for (const option of ['--prefix', '--library-prefix'])
    assert.equal(output(`${staged}/bin/greet`, option), `${staged}\n`)
  assert.equal(output(`${staged}/bin/by-hand`).split('\n')[1], 'Hello from the environment')
  const { status, matter } = await verify(place, staged)
  assert.deepEqual([status, matter], [1, ['prefix bin/by-hand', 'prefix share/by-hand/utf16.txt']])
})

test('--verify lists the files that were changed in a read-only copy, and ends with 1', async (context) => {
  const place = await world(context)
  const staged = await stageOf(place)
  execFileSync('chmod', ['-R', 'u+w', staged])
  appendFileSync(`${staged}/share/greet/greeting.txt`, 'x')
  rmSync(`${staged}/include/greet.h`)
  execFileSync('chmod', ['-R', 'a-w', staged])
  const { status, matter } = await verify(place, staged)
  assert.deepEqual([status, matter], [1, ['changed share/greet/greeting.txt', 'missing include/greet.h']])
  const { stdout } = await run(place, ['--verify', `--prefix=${staged}`])
  assert.match(stdout, /^MATTERS {3}share\/greet\/greeting\.txt: has other bytes than the archive$/m)
})

test('--verify lists files that were added to a writable copy as harmless, unless they lead to the original', async (context) => {
  const place = await world(context)
  const staged = await stageOf(place, ['--writable'])
  appendFileSync(`${staged}/bin/mine`, 'mine')
  assert.deepEqual((await verify(place, staged)).matter, [])
  symlinkSync(`${place.prefix}/bin/greet`, `${staged}/bin/back`)
  appendFileSync(`${staged}/bin/script`, `#!${place.prefix}/bin/greet\n`)
  chmodSync(`${staged}/bin/script`, 0o755)
  const { status, matter } = await verify(place, staged)
  assert.deepEqual([status, matter], [1, ['prefix bin/back', 'prefix bin/script']])
})

test('--verify without --prefix checks the active environment', async (context) => {
  const place = await world(context)
  const staged = await stageOf(place)
  await succeed(place, ['--verify'], { env: { CONDA_PREFIX: staged } })
  const { stderr } = await succeed(place, ['--verify'], { env: { CONDA_PREFIX: place.prefix } })
  assert.match(stderr, new RegExp(`^INFO: ${place.archive} is sound`))
})
