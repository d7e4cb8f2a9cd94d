import assert from 'node:assert/strict'
import { appendFileSync, chmodSync } from 'node:fs'
import { test } from 'node:test'
import { copiedWorld, run, stageOf, succeed } from './world.ts'

test('--verify counts harmless findings and lists them only with --verbose', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place, ['--writable'])
  for (const name of ['a', 'b', 'c']) appendFileSync(`${staged}/share/${name}`, 'mine')
  appendFileSync(`${staged}/share/greet/greeting.txt`, 'x')
  const verify = ['--verify', `--prefix=${staged}`]
  const { stdout, stderr } = await succeed(place, verify)
  assert.equal(stdout, 'harmless  differs from the archive: 1 file\nharmless  was added: 3 files\n')
  assert.match(stderr, /\(4 harmless findings; --verbose lists them\)\n$/)
  const verbose = await succeed(place, [...verify, '--verbose'])
  assert.match(verbose.stdout, /^harmless {2}share\/a: is not in the archive$/m)
  assert.equal(verbose.stdout.split('\n').length, 5)
})

test('--verify always lists what matters', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place)
  chmodSync(`${staged}/share/greet/greeting.txt`, 0o600)
  const { status, stdout } = await run(place, ['--verify', `--prefix=${staged}`])
  assert.equal(status, 1)
  assert.match(stdout, /^MATTERS {3}share\/greet\/greeting\.txt: /)
})
