import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { announceRemoval, stays } from '../../src/leases/removal.ts'
import { ownIdentity, type ProcessIdentity } from '../../src/platform/process-identity.ts'

function stageFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'removal-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(`${folder}/.leases`)
  return folder
}

/** As if that process had announced that it removes the stage. */
function announcedBy(folder: string, other: Partial<ProcessIdentity>): string {
  const file = `${folder}/.leases/0123456789abcdef.leaving`
  writeFileSync(file, JSON.stringify({ ...ownIdentity(), ...other }))
  return file
}

test('nobody joins a stage that another process is removing, and somebody does if that one leaves it', async (context) => {
  const folder = stageFolder(context)
  assert.equal(await stays(folder), true)
  const takeBack = await announceRemoval(folder)
  assert.equal(await stays(folder), false)
  const waiting = stays(folder)
  await takeBack()
  assert.equal(await waiting, true)
  assert.deepEqual(readdirSync(`${folder}/.leases`), [])
})

test('a stage that is gone is not joined', async (context) => {
  const folder = stageFolder(context)
  await announceRemoval(folder)
  const waiting = stays(folder)
  renameSync(folder, `${folder}.removing`)
  context.after(() => rmSync(`${folder}.removing`, { recursive: true }))
  assert.equal(await waiting, false)
  assert.equal(await stays(folder), false)
})

test('a stage is joined if the process that was removing it has been killed', async (context) => {
  const folder = stageFolder(context)
  announcedBy(folder, { started: '1' })
  assert.equal(await stays(folder), true)
  assert.deepEqual(readdirSync(`${folder}/.leases`), [])
})

test('a stage is joined if a process in another container announced its removal a minute ago, not before', async (context) => {
  const folder = stageFolder(context)
  const file = announcedBy(folder, { pidNamespace: 'pid:[1]' })
  assert.equal(await stays(folder), false)
  const then = Date.now() / 1000 - 61
  utimesSync(file, then, then)
  assert.equal(await stays(folder), true)
})
