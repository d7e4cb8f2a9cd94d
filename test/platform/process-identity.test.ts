import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { identityOf, isDead, ownIdentity, type ProcessIdentity } from '../../src/platform/process-identity.ts'

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
  assert.equal(isDead({ ...gone, host: 'elsewhere', boot: 'another' }), false)
  assert.equal(isDead({ ...gone, pidNamespace: 'pid:[1]' }), false)
})

test('a process that has ended counts as dead before its parent has noticed, and whatever its host is called', async () => {
  const child = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pid = Number(await child.stdout.setEncoding('utf8').take(1).toArray())
  const identity = { ...identityOf(pid), host: 'a-container' }
  assert.equal(isDead(identity), false)
  await sleep(1000)
  assert.match(readFileSync(`/proc/${pid}/stat`, 'utf8'), /\) Z /)
  assert.equal(isDead(identity), true)
  child.kill()
})
