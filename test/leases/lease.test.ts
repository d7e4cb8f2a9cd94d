import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { leasesOfCaller } from '../../src/leases/holder.ts'
import { addLease, isLive, type Lease, leasesOf, removeLease } from '../../src/leases/lease.ts'
import type { Holder } from '../../src/leases/users.ts'
import { identityOf, ownIdentity } from '../../src/platform/process-identity.ts'

function stageFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lease-'))
  context.after(() => rmSync(folder, { recursive: true }))
  return folder
}

const self = ownIdentity()
const holder = (given: Partial<Holder>): Holder => ({
  kind: 'shell',
  host: self.host,
  boot: self.boot,
  processes: [],
  ...given,
})

const lease = (given: Partial<Holder> = {}): Lease => ({
  holder: holder(given),
  since: new Date().toISOString(),
  original: '/net/env',
  bound: false,
  keepMinutes: 0,
})

const isLiveFor = (given: Partial<Holder>) => isLive({ file: '', lease: lease(given) })

test('a lease lives as long as one of the processes that hold it', async () => {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const held = { processes: [{ ...self, pid: 2 ** 22 + 1 }, identityOf(child.pid!)] }
  assert.equal(isLiveFor(held), true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isLiveFor(held), false)
})

test('a lease of a process whose number another one has now does not count', () => {
  assert.equal(isLiveFor({ processes: [self] }), true)
  assert.equal(isLiveFor({ processes: [{ ...self, started: '1' }] }), false)
})

test('a lease from before a restart of the machine does not count, whoever holds it', () => {
  const before = { ...self, boot: 'another' }
  assert.equal(isLiveFor({ boot: 'another', processes: [before] }), false)
  assert.equal(isLiveFor({ boot: 'another' }), false)
  const job = { variable: 'SLURM_JOB_ID', id: '1' }
  assert.equal(isLiveFor({ kind: 'job', boot: 'another', processes: [before], job }), false)
})

test('a lease that cannot be judged from here counts: of a process in another container, or of nobody known', () => {
  assert.equal(isLiveFor({ processes: [{ ...self, pidNamespace: 'pid:[1]' }] }), true)
  assert.equal(isLiveFor({ processes: [] }), true)
})

test('the lease of a job lives while any process on the node carries its number', async () => {
  const job = { variable: 'SLURM_JOB_ID', id: '987654321' }
  const gone = { kind: 'job' as const, processes: [{ ...self, started: '1' }], job }
  assert.equal(isLiveFor(gone), false)
  const child = spawn('sleep', ['60'], { env: { SLURM_JOB_ID: '987654321' } })
  await once(child, 'spawn')
  assert.equal(isLiveFor(gone), true)
  assert.equal(isLiveFor({ ...gone, job: { ...job, id: '98765432' } }), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isLiveFor(gone), false)
})

test("Slurm's own process for a step of the job keeps its lease alive, although only its title can be read", async () => {
  const job = { variable: 'SLURM_JOB_ID', id: '987654322' }
  const gone = { kind: 'job' as const, processes: [], job }
  assert.equal(isLiveFor(gone), false)
  const child = spawn('bash', ['-c', "exec -a 'slurmstepd: [987654322.extern]' sleep 60"], {
    env: { PATH: '/usr/bin:/bin' },
  })
  await once(child, 'spawn')
  for (let tries = 0; tries < 50 && !isLiveFor(gone); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(isLiveFor(gone), true)
  child.kill('SIGKILL')
  await once(child, 'exit')
})

test('leases are added and given back one by one, and a file that makes no sense is none', async (context) => {
  const stage = stageFolder(context)
  assert.deepEqual(await leasesOf(stage), [])
  const files = [await addLease(stage, lease()), await addLease(stage, lease())]
  writeFileSync(`${stage}/.leases/0000000000000000.json`, '{"holder":')
  writeFileSync(`${stage}/.leases/0000000000000001.json`, '{"holder":{"kind":"king"}}')
  assert.deepEqual((await leasesOf(stage)).map(({ file }) => file).sort(), files.toSorted())
  assert.equal(await removeLease(files[0]!), true)
  assert.equal(await removeLease(files[0]!), false)
  assert.equal((await leasesOf(stage)).length, 1)
  assert.equal(readdirSync(`${stage}/.leases`).length, 3)
})

test('a lease that cannot be read counts, since somebody may use the copy, and is nobody’s own', async (context) => {
  const stage = stageFolder(context)
  assert.deepEqual(await leasesOf(stage), [])
  const file = await addLease(stage, lease())
  // A link to itself stands for a disk that fails, for root, too.
  rmSync(file)
  symlinkSync(file, file)
  const assertCounted = async (path: string) => {
    const [held, ...others] = await leasesOf(stage)
    assert.deepEqual([others, held!.unread?.code, held!.unread?.path], [[], 'UNREADABLE', path])
    assert.equal(isLive(held!), true)
    assert.deepEqual(leasesOfCaller({ env: {} }, [held!]), [])
  }
  await assertCounted(file)
  rmSync(dirname(file), { recursive: true })
  symlinkSync(dirname(file), dirname(file))
  await assertCounted(dirname(file))
})
