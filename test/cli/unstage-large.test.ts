import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MANY_FILES } from '../../src/stage/remove.ts'
import { copiedWorld, stageOf, succeed, type World } from './world.ts'

function manyFiles({ prefix }: World): void {
  mkdirSync(`${prefix}/share/many`)
  for (let n = 0; n < MANY_FILES; n++) writeFileSync(`${prefix}/share/many/${n}`, '')
}

/** The shell function calls this when it has left the copy. */
const finish = (staged: string) => ['--finish-unstage', `--prefix=${staged}`]

test('nobody waits for the removal of a large copy: it is renamed at once and gone soon', async (context) => {
  const place = await copiedWorld(context)
  manyFiles(place)
  const staged = await stageOf(place)
  const { stderr } = await succeed(place, finish(staged))
  assert.match(stderr, /INFO: Removing all staged files: .*\nINFO: Activating original/)
  assert.deepEqual(
    readdirSync(place.local).filter((name) => !name.startsWith('.')),
    [],
  )
  for (let waited = 0; readdirSync(place.local).length > 0; waited += 50) {
    assert.ok(waited < 30_000, `still there: ${readdirSync(place.local)}`)
    await sleep(50)
  }
})

test('in a job, and with --unstage --prefix, even a large copy is gone when the call ends', async (context) => {
  const place = await copiedWorld(context)
  manyFiles(place)
  await succeed(place, finish(await stageOf(place)), { env: { SLURM_JOB_ID: '17' } })
  assert.deepEqual(readdirSync(place.local), [])
  await succeed(place, ['--unstage', `--prefix=${await stageOf(place)}`])
  assert.deepEqual(readdirSync(place.local), [])
})
