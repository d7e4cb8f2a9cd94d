import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { addLease } from '../../src/leases/lease.ts'
import { announceRemoval } from '../../src/leases/removal.ts'
import { fsPath } from '../../src/model/byte-path.ts'
import { ownIdentity } from '../../src/platform/process-identity.ts'
import { composePlace } from '../../src/stage/place.ts'
import { writeRecord } from '../../src/stage/record.ts'
import { detachStage, ownStage } from '../../src/stage/remove.ts'
import { removeTree } from '../../src/stage/remove-tree.ts'
import { sweepDebris } from '../../src/stage/sweep.ts'
import { asOrdinaryUser } from '../platform/as-ordinary-user.ts'
import { ALICE, MALLORY, moduleOf, NEEDS_ROOT, shellOf } from '../platform/other-users.ts'
import { temporaryFolder } from './small-archive.ts'

const uid = process.getuid!()

async function stageIn(base: string, original = '/net/env') {
  const { folder, prefix } = composePlace(base, 'env', 120)
  mkdirSync(`${prefix}/lib/deep/er`, { recursive: true })
  writeFileSync(`${prefix}/lib/deep/er/file`, 'x', { mode: 0o444 })
  await writeRecord(folder, {
    version: 1,
    original,
    prefix,
    archive: { path: '/net/env.tar.zst', created: '' },
    created: '',
    owner: ownIdentity(),
    readOnly: true,
    digests: {},
  })
  return { folder, prefix }
}

async function removeStage(prefix: string, by = { uid }) {
  const stage = await ownStage(prefix, by.uid)
  const remove = await detachStage(stage)
  assert.ok(typeof remove === 'function', String(remove))
  await remove()
  return stage
}

test('a stage is removed with its folder, and the targets of its links stay', async (context) => {
  const base = temporaryFolder(context)
  const outside = `${base}/outside`
  mkdirSync(outside)
  writeFileSync(`${outside}/kept`, '')
  const { prefix } = await stageIn(base)
  symlinkSync(outside, `${prefix}/lib/link`)
  symlinkSync('/nowhere', `${prefix}/lib/dangling`)
  const stage = await removeStage(prefix)
  assert.equal(stage.record.original, '/net/env')
  assert.deepEqual(readdirSync(base), ['outside'])
  assert.deepEqual(readdirSync(outside), ['kept'])
})

test('an ordinary user can remove their own read-only folders', (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/t/a/b`, { recursive: true })
  for (const name of ['t/file', 't/a/file', 't/a/b/file']) writeFileSync(`${base}/${name}`, '')
  for (const name of ['t/a/b', 't/a', 't']) chmodSync(`${base}/${name}`, 0o500)
  const module = JSON.stringify(new URL('../../src/stage/remove-tree.ts', import.meta.url).href)
  asOrdinaryUser(`const { removeTree } = await import(${module}); await removeTree(process.argv[1])`, [`${base}/t`])
  assert.deepEqual(readdirSync(base), [])
})

test('a folder that is not a stage of this user is not removed', async (context) => {
  const base = temporaryFolder(context)
  const { prefix } = await stageIn(base)
  mkdirSync(`${base}/conda-stage_abcd/env`, { recursive: true })
  for (const path of [base, dirname(prefix), `${prefix}/lib`, `${base}/conda-stage_abcd/env`, `${base}/none`])
    await assert.rejects(removeStage(path), { code: 'NOT_STAGED', path })
  await assert.rejects(removeStage(prefix, { uid: uid + 1 }), { code: 'NOT_STAGED' })
  assert.ok(existsSync(`${prefix}/lib/deep/er/file`) && existsSync(`${base}/conda-stage_abcd/env`))
})

test('a stage whose record places the original inside it is not removed', async (context) => {
  const base = temporaryFolder(context)
  const { folder, prefix } = await stageIn(base)
  await stageIn(base)
  const { record } = (await import('../../src/stage/record.ts').then(({ findStage }) => findStage(prefix)))!
  await writeRecord(folder, { ...record, original: `${prefix}/original` })
  await assert.rejects(removeStage(prefix), { code: 'NOT_STAGED' })
  assert.ok(existsSync(prefix))
})

test('nobody finds a stage that is being removed, and the next sweep finishes a killed removal', async (context) => {
  const base = temporaryFolder(context)
  const { prefix } = await stageIn(base)
  await detachStage(await ownStage(prefix, uid))
  await assert.rejects(removeStage(prefix), { code: 'NOT_STAGED' })
  assert.equal(readdirSync(base).length, 1)
  assert.equal((await sweepDebris(base, { uid })).length, 1)
  assert.deepEqual(readdirSync(base), [])
})

test('a stage is removed although a stranger has taken every name that can be guessed in a shared folder', {
  skip: NEEDS_ROOT,
}, (context) => {
  const base = temporaryFolder(context)
  chmodSync(base, 0o755)
  for (const take of ['mkdir', 'touch', 'mkfifo', 'ln -s /etc']) {
    const shared = `${base}/${take.slice(0, 5).trim()}`
    mkdirSync(shared)
    chmodSync(shared, 0o1777)
    moduleOf(ALICE, STAGE, shared)
    const [name] = readdirSync(shared)
    const taken = [`.${name}.removing`, `.${name}`, `${name}.removing`]
    shellOf({ uid: MALLORY }, `cd "$1"; shift; for name; do ${take} "$name"; done`, shared, ...taken)
    moduleOf(ALICE, UNSTAGE, shared)
    assert.deepEqual(readdirSync(shared).sort(), taken.sort(), take)
  }
})

const module = (name: string) => JSON.stringify(new URL(`../../src/${name}.ts`, import.meta.url).href)
const STAGE = `
  const { mkdirSync } = await import('node:fs')
  const { writeRecord } = await import(${module('stage/record')})
  const { ownIdentity } = await import(${module('platform/process-identity')})
  const folder = process.argv[1] + '/conda-stage_AbCd'
  mkdirSync(folder + '/env', { recursive: true, mode: 0o700 })
  await writeRecord(folder, { version: 1, original: '/net/env', prefix: folder + '/env', archive: { created: '' },
    created: '', owner: ownIdentity(), readOnly: true, digests: {} })`
const UNSTAGE = `
  const { detachStage, ownStage } = await import(${module('stage/remove')})
  const remove = await detachStage(await ownStage(process.argv[1] + '/conda-stage_AbCd/env', process.getuid()))
  await remove()`

test("a removal that an older version began under a name made of the stage's is finished, too", async (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/.conda-stage_AbCd.removing/env/lib`, { recursive: true })
  assert.equal((await sweepDebris(base, { uid })).length, 1)
  assert.deepEqual(readdirSync(base), [])
})

test('two processes that remove the same folder at once both succeed', async (context) => {
  const base = temporaryFolder(context)
  for (let n = 0; n < 200; n++) mkdirSync(`${base}/t/${n % 10}/${n}`, { recursive: true })
  for (let n = 0; n < 200; n++) writeFileSync(`${base}/t/${n % 10}/${n}/file`, '')
  await Promise.all([removeTree(`${base}/t`), removeTree(`${base}/t`)])
  assert.deepEqual(readdirSync(base), [])
})

test('a file that another process still puts into a folder while it is removed is removed, too', async (context) => {
  const base = temporaryFolder(context)
  const root = `${base}/root`
  mkdirSync(`${root}/a/b`, { recursive: true })
  let left = 3
  // Called when a folder has been emptied.
  const onRemoved = () => {
    if (left-- > 1) writeFileSync(`${root}/a/late${left}`, '')
  }
  await removeTree(root, { onRemoved })
  assert.ok(!existsSync(root))
})

test('a link that another process puts in the place of a folder during its removal is not followed', async (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/t/a/b`, { recursive: true })
  mkdirSync(`${base}/outside/b`, { recursive: true })
  writeFileSync(`${base}/outside/b/precious`, '')
  let folders = 0
  const onRemoved = () => {
    // The next one is a/b.
    if (++folders !== 2) return
    renameSync(`${base}/t/a`, `${base}/t/moved`)
    symlinkSync(`${base}/outside`, `${base}/t/a`)
  }
  await assert.rejects(removeTree(`${base}/t`, { onRemoved }), { code: 'NOT_REMOVED', path: `${base}/t/a/b` })
  assert.ok(existsSync(`${base}/outside/b/precious`))
})

test('without /proc, links are not followed either', async (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/t/a/b`, { recursive: true })
  mkdirSync(`${base}/kept`)
  symlinkSync(`${base}/kept`, `${base}/t/a/link`)
  writeFileSync(`${base}/kept/file`, '')
  const module = JSON.stringify(new URL('../../src/stage/remove-tree.ts', import.meta.url).href)
  const code = `const { removeTree } = await import(${module}); await removeTree(process.argv[1])`
  const script = 'mount -t tmpfs tmpfs /proc; exec "$@"'
  const node = [process.execPath, '--input-type=module', '-e', code, '--', `${base}/t`]
  const { status, stderr } = spawnSync('unshare', ['-rm', 'sh', '-ec', script, 'sh', ...node], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.deepEqual([readdirSync(base), readdirSync(`${base}/kept`)], [['kept'], ['file']])
})

test('a symbolic link in place of the folder to remove is left alone, and so is its target', async (context) => {
  const base = temporaryFolder(context)
  mkdirSync(`${base}/real`)
  writeFileSync(`${base}/real/kept`, '')
  symlinkSync(`${base}/real`, `${base}/link`)
  await assert.rejects(removeTree(`${base}/link`), { code: 'NOT_REMOVED', path: `${base}/link` })
  assert.ok(existsSync(`${base}/real/kept`))
})

test('nothing is removed from a stage in which something is mounted', async (context) => {
  const base = temporaryFolder(context)
  const { prefix } = await stageIn(base)
  mkdirSync(`${base}/original`)
  writeFileSync(`${base}/original/precious`, '')
  mkdirSync(`${prefix}/data`)
  const module = JSON.stringify(new URL('../../src/stage/remove.ts', import.meta.url).href)
  const code = `const { detachStage, ownStage } = await import(${module})
    await detachStage(await ownStage(process.argv[1], process.getuid())).then(
      (remove) => remove(),
      ({ code, message }) => console.log(code, message),
    )`
  const { stdout, stderr } = spawnSync(
    'unshare',
    [
      '-rm',
      'sh',
      '-c',
      'mount --bind "$1" "$2" && shift 2 && exec "$@"',
      'sh',
      `${base}/original`,
      `${prefix}/data`,
      process.execPath,
      '--input-type=module',
      '-e',
      code,
      '--',
      prefix,
    ],
    { encoding: 'utf8' },
  )
  assert.match(stdout, new RegExp(`^TARGET_UNSAFE .*${prefix}/data`), stderr)
  assert.ok(existsSync(`${base}/original/precious`) && existsSync(`${prefix}/lib/deep/er/file`))
})

test('a folder is removed from a disk that reports no types in its listings (old XFS)', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const disk = `${temporaryFolder(context)}/disk`
  mkdirSync(fsPath(disk, 'stage/caf\xe9/deep'), { recursive: true })
  writeFileSync(fsPath(disk, 'stage/caf\xe9/deep/\xff'), '')
  symlinkSync('nowhere', fsPath(disk, 'stage/caf\xe9/link'))
  const mount = await mountSlow(disk, disk, { latencyMs: 0, types: false })
  try {
    await removeTree(`${disk}/stage`)
    assert.deepEqual(readdirSync(disk), [])
  } finally {
    await mount.unmount()
  }
})

test('a stage that somebody joined in the moment in which it was set aside without notice, by a process that was killed then, comes back', async (context) => {
  const base = temporaryFolder(context)
  const { folder, prefix } = await stageIn(base)
  const { host, boot } = ownIdentity()
  const holder = { kind: 'session' as const, host, boot, processes: [ownIdentity()] }
  await addLease(folder, { holder, since: '', original: '/net/env', bound: false, keepMinutes: 0 })
  renameSync(folder, `${base}/.conda-stage_0123456789abcdef.removing`)
  assert.deepEqual(await sweepDebris(base, { uid }), [])
  assert.ok(existsSync(`${prefix}/lib/deep/er/file`))
  assert.equal(await detachStage(await ownStage(prefix, uid)), 'in use')
  assert.ok(existsSync(`${prefix}/lib/deep/er/file`))
  // With notice, whoever has a lease there did not get the stage.
  await announceRemoval(folder)
  renameSync(folder, `${base}/.conda-stage_0123456789abcdef.removing`)
  assert.equal((await sweepDebris(base, { uid })).length, 1)
  assert.deepEqual(readdirSync(base), [])
})

test('a stage whose leases cannot be read stays as it is, since somebody may use it', async (context) => {
  const base = temporaryFolder(context)
  const { folder, prefix } = await stageIn(base)
  mkdirSync(`${folder}/.leases`)
  // A link to itself stands for a disk that fails.
  const lease = `${folder}/.leases/${'0'.repeat(16)}.json`
  symlinkSync(lease, lease)
  assert.equal(await detachStage(await ownStage(prefix, uid)), 'in use')
  assert.deepEqual(await sweepDebris(base, { uid }), [])
  assert.deepEqual(
    [readdirSync(base), readdirSync(`${folder}/.leases`)],
    [[folder.slice(base.length + 1)], [lease.slice(-21)]],
  )
})
