import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isDead, ownIdentity, type ProcessIdentity } from '../../src/platform/process-identity.ts'

const MODULE = JSON.stringify(new URL('../../src/platform/process-identity.ts', import.meta.url).href)
const TELL = `
  const { ownIdentity } = await import(${MODULE})
  console.log(JSON.stringify(ownIdentity()))
  process.stdin.resume()`

test('a process counts as alive until it ends, and as dead from then on', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', TELL])
  const [line] = await once(child.stdout, 'data')
  const identity: ProcessIdentity = JSON.parse(String(line))
  assert.equal(isDead(identity), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isDead(identity), true)
})

test('a process is not confused with a later one that got the same number', () => {
  assert.equal(isDead({ ...ownIdentity(), started: '1' }), true)
  assert.equal(isDead(ownIdentity()), false)
})

test('every process from before a restart of the machine counts as dead', () => {
  assert.equal(isDead({ ...ownIdentity(), boot: 'another' }), true)
})

test('a process on another host or in another container never counts as dead', () => {
  const gone = { ...ownIdentity(), started: '1' }
  assert.equal(isDead({ ...gone, host: 'elsewhere' }), false)
  assert.equal(isDead({ ...gone, host: 'elsewhere', boot: 'another' }), false)
  assert.equal(isDead({ ...gone, pidNamespace: 'pid:[1]' }), false)
})
