import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { ALICE, NEEDS_ROOT } from '../platform/other-users.ts'
import { copiedWorld, run, stageOf } from './world.ts'

test('in a session that has the variables of another user, their copy is neither packed, staged nor changed, also not by root', {
  skip: NEEDS_ROOT,
}, async (context) => {
  const place = await copiedWorld(context)
  const copy = await stageOf(place)
  execFileSync('chown', ['-R', `${ALICE}`, dirname(copy)])
  // The process that keeps the copy for whoever asked for its path comes up by and by.
  const names = () => readdirSync(dirname(copy)).filter((name) => !name.startsWith('.guard-'))
  const before = names()
  for (const action of ['--pack', '--exec', '--wrappers=/nonexistent']) {
    const args = [action, ...(action === '--exec' ? ['--', 'true'] : [])]
    const { status, stderr } = await run(place, args, { env: { CONDA_PREFIX: copy } })
    assert.deepEqual([status, stderr.split('\n', 1)[0]], [1, `ERROR: ${copy} is a staged copy of another user`])
  }
  assert.deepEqual(names(), before)

  const { stdout } = await run(place, ['--doctor'], { env: { CONDA_PREFIX: copy }, inside: UNPRIVILEGED })
  assert.match(stdout, /is active, but can't be read: permission denied/)
})
