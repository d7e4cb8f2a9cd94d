import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addLease, leasesOf } from '../../src/leases/lease.ts'
import { announceRemoval, isAnnouncedIn, stays } from '../../src/leases/removal.ts'
import { inTurn } from '../../src/leases/turn.ts'
import type { Holder } from '../../src/leases/users.ts'
import { ownIdentity } from '../../src/platform/process-identity.ts'
import { abandonCalls } from '../../src/platform/waiting.ts'
import { readOwner, writeOwner } from '../../src/stage/record.ts'

const COUNT = 100
const { host, boot } = ownIdentity()

test('whoever is stopped still sees who uses a copy, who makes one and who removes one, and takes none of them for dead', async (context) => {
  const local = mkdtempSync(join(tmpdir(), 'stopped-'))
  context.after(() => rmSync(local, { recursive: true }))
  const stage = `${local}/conda-stage_Some`
  mkdirSync(stage)
  const self = ownIdentity()
  const holder: Holder = { kind: 'shell', host, boot, processes: [self] }
  for (let n = 0; n < COUNT; n++)
    await addLease(stage, { holder, since: '', original: '/net/env', bound: false, keepMinutes: 0 })
  await writeOwner(`${stage}/owner`, { owner: self })
  await announceRemoval(stage)
  let release = (): void => {}
  const turn = { local, what: 'something', uid: process.getuid!(), patienceMs: 200 }
  const alone = inTurn(
    { ...turn, onWait: () => assert.fail('it was free') },
    { already: async () => undefined, body: () => new Promise<void>((resolve) => (release = resolve)) },
  )

  // Gives all calls up, again and again: also those that have begun by then.
  const giveUp = setInterval(abandonCalls, 0)
  context.after(() => clearInterval(giveUp))
  let waited = 0
  for (let n = 0; n < 20; n++) {
    assert.equal((await leasesOf(stage)).length, COUNT)
    assert.deepEqual(await readOwner(`${stage}/owner`), { owner: self })
  }
  assert.equal(await stays(stage), false)
  assert.equal(await isAnnouncedIn(stage), true)
  const result = await inTurn(
    { ...turn, onWait: () => waited++ },
    { already: async () => undefined, body: async () => 'another' },
  )
  assert.deepEqual([result, waited], ['another', 1])
  release()
  await alone
})
