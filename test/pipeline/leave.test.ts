import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { leasesOf, writeLease } from '../../src/leases/lease.ts'
import { leave } from '../../src/pipeline/bind-to-shell.ts'
import { findStage } from '../../src/stage/record.ts'
import { copiedWorld, stageOf } from '../cli/world.ts'

test('of sessions that leave a copy at the same time, at least one sees that nobody is left', async (context) => {
  const place = await copiedWorld(context)
  const sessions = Array.from({ length: 6 }, () => spawn('sleep', ['60'], { stdio: 'ignore' }))
  context.after(() => sessions.map((session) => session.kill('SIGKILL')))
  let prefix = ''
  for (const { pid } of sessions) prefix = await stageOf(place, [`--session=${pid}`])
  const { folder } = (await findStage(prefix))!
  for (const { file, lease } of await leasesOf(folder)) await writeLease(file, { ...lease, bound: true })
  const left = await Promise.all(sessions.map(({ pid }) => leave(prefix, pid!, { launcher: '', env: place.env })))
  const states = left.map((each) => each?.state)
  assert.ok(states.includes('free'), String(states))
  assert.deepEqual(
    states.filter((state) => state !== 'free' && state !== 'shared'),
    [],
  )
  assert.deepEqual(await leasesOf(folder), [])
})
