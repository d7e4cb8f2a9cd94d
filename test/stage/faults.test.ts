import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  openSync,
  promises,
  readdirSync,
  rmdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ownIdentity } from '../../src/platform/process-identity.ts'
import { withNewPlace } from '../../src/stage/place.ts'
import { findStage, writeOwner } from '../../src/stage/record.ts'
import { sweepDebris } from '../../src/stage/sweep.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { originalOf, smallArchive, type Thing, temporaryFolder } from './small-archive.ts'

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
const uid = process.getuid!()

async function scene(context: TestContext, more: Record<string, Thing> = {}) {
  const base = temporaryFolder(context)
  const noise = Buffer.from(Array.from({ length: 6_000_000 }, (_, n) => (n * n * 7919) >> 7))
  const tree = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`lib/${n % 7}/f${n}`, { content: 'x' }]))
  const content = { content: noise }
  const { archive } = await smallArchive(context, `${base}/env.tar.zst`, [originalOf(100)], {
    ...tree,
    'lib/noise': content,
    ...more,
  })
  mkdirSync(`${base}/local`)
  return { archive, local: `${base}/local`, base }
}

/** What the child printed. The child does not call exit: that it ends shows that no worker is left running. */
function runChild(command: string[], args: string[]) {
  const [program, ...rest] = [...command, process.execPath, CHILD, ...args]
  const { stdout, stderr, signal, status } = spawnSync(program!, rest, { encoding: 'utf8', timeout: 60_000 })
  assert.deepEqual([signal, status], [null, 0], stderr)
  return JSON.parse(stdout)
}

test('the process ends by itself after an extraction, whether it succeeded or failed', async (context) => {
  const { archive, local } = await scene(context)
  const { outcome, left } = runChild([], [archive, local])
  assert.deepEqual([outcome, left.length], ['done', 1])
  writeSync(openSync(archive, 'r+'), Buffer.from([0x55, 0xaa]), 0, 2, Math.floor(statSync(archive).size / 2))
  assert.equal(runChild([], [archive, local]).outcome.code, 'ARCHIVE_DAMAGED')
})

test('an ordinary user gets a read-only copy that keeps the modes, and nobody else can look into it', async (context) => {
  const { archive, local } = await scene(context, {
    'bin/setuid': { content: 'x', mode: 0o4755 },
    closed: { folder: true, mode: 0o600 },
    'closed/inner': { folder: true, mode: 0o700 },
  })
  const { outcome, left } = runChild([...UNPRIVILEGED], [archive, local])
  assert.equal(outcome, 'done')
  const folder = `${local}/${left[0]}`
  assert.deepEqual([statSync(folder).uid, statSync(folder).mode & 0o777], [uid, 0o700])
  const mode = (path: string) => (statSync(`${folder}/env/${path}`).mode & 0o7777).toString(8)
  assert.deepEqual(['lib', 'bin/setuid', 'closed'].map(mode), ['555', '555', '400'])
})

test('a disk that runs full during extraction is reported as such, and nothing is left', async (context) => {
  const { archive, local } = await scene(context)
  const script = 'mount -t tmpfs -o size=3m tmpfs "$1" && shift && exec "$@"'
  const { outcome, left } = runChild(['unshare', '-rm', 'sh', '-c', script, 'sh', local], [archive, local])
  assert.equal(outcome.code, 'NO_SPACE')
  assert.match(outcome.message, new RegExp(`^${local} ran full`))
  assert.deepEqual(left, [])
})

test('a disk that runs out of inodes during extraction is reported as such, and nothing is left', async (context) => {
  const { archive, local } = await scene(context)
  const script = 'mount -t tmpfs -o nr_inodes=100 tmpfs "$1" && shift && exec "$@"'
  const { outcome, left } = runChild(['unshare', '-rm', 'sh', '-c', script, 'sh', local], [archive, local])
  assert.equal(outcome.code, 'NO_INODES')
  assert.deepEqual(left, [])
})

test('a sweep removes the unfinished stage of a killed process, and leaves the one that a live process is making', async (context) => {
  const { archive, local } = await scene(context)
  const child = spawn(process.execPath, [CHILD, archive, local, 'hang'], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  let folder = ''
  while (folder === '' || !existsSync(`${folder}/owner.json`)) {
    await sleep(1)
    folder = readdirSync(local).map((name) => `${local}/${name}`)[0] ?? ''
  }
  while (readdirSync(folder).every((name) => name === 'owner.json')) await sleep(1)
  assert.deepEqual(await sweepDebris(local, { uid }), [])
  child.kill('SIGKILL')
  await ended
  assert.equal(await findStage(`${folder}/env`), undefined)
  assert.deepEqual(await sweepDebris(local, { uid: uid + 1 }), [])
  assert.deepEqual(await sweepDebris(local, { uid }), [folder])
  assert.deepEqual(readdirSync(local), [])
})

test('a sweep leaves finished stages, and folders that another process may still be using', async (context) => {
  const { local } = await scene(context)
  const dead = { host: 'this', boot: 'b', pidNamespace: 'n', pid: 1, started: '1' }
  for (const name of [
    'conda-stage_nobody',
    'conda-stage_elsewhere',
    'conda-stage_marked',
    'other_dead',
    'conda-stage_x-y',
  ])
    mkdirSync(`${local}/${name}/env`, { recursive: true })
  await writeOwner(`${local}/conda-stage_elsewhere/owner.json`, { owner: dead })
  const gone = { ...ownIdentity(), started: '1' }
  for (const name of ['conda-stage_marked', 'other_dead', 'conda-stage_x-y'])
    await writeOwner(`${local}/${name}/owner.json`, { owner: gone })
  openSync(`${local}/conda-stage_marked/stage.json`, 'w')
  assert.deepEqual(await sweepDebris(local, { uid }), [])
})

test('a sweep removes the folder of a process that was killed before it had written its name there', async (context) => {
  const { local } = await scene(context)
  const owners = { missing: undefined, empty: '', cut: '{"owner":{"host":"n', nonsense: '[null]' }
  for (const [kind, text] of Object.entries(owners))
    for (const age of ['old', 'new', 'future']) {
      const folder = `${local}/conda-stage_${kind}${age}`
      mkdirSync(folder, { mode: 0o700 })
      if (text !== undefined) writeFileSync(`${folder}/owner.json`, text)
      const seconds = Date.now() / 1000 + { old: -3600, new: 0, future: 3600 }[age]!
      utimesSync(folder, seconds, seconds)
    }
  assert.equal((await sweepDebris(local, { uid })).length, 8)
  assert.deepEqual(
    readdirSync(local).sort(),
    Object.keys(owners)
      .map((kind) => `conda-stage_${kind}new`)
      .sort(),
  )
})

test('a sweep leaves an old folder whose maker still lives, and whatever others have put there under such a name', async (context) => {
  const { local } = await scene(context)
  const old = Date.now() / 1000 - 86_400
  mkdirSync(`${local}/conda-stage_slow`, { mode: 0o700 })
  await writeOwner(`${local}/conda-stage_slow/owner.json`, { owner: ownIdentity() })
  utimesSync(`${local}/conda-stage_slow`, old, old)
  writeFileSync(`${local}/conda-stage_file`, '')
  symlinkSync(local, `${local}/conda-stage_link`)
  spawnSync('mkfifo', [`${local}/conda-stage_fifo`, `${local}/.conda-stage_fifo.removing`])
  const before = readdirSync(local)
  assert.deepEqual(await sweepDebris(local, { uid }), [])
  assert.deepEqual(readdirSync(local), before)
})

test('a stage is made although a sweep has removed its folder before it had an owner', async (context) => {
  const { local } = await scene(context)
  const { open } = promises
  let removed = ''
  context.mock.method(promises, 'open', async (path: string, ...more: []) => {
    if (removed === '' && path.endsWith('/owner.json')) {
      removed = dirname(path)
      rmdirSync(removed)
    }
    return open(path, ...more)
  })
  syncBuiltinESMExports()
  try {
    const place = { local: { path: local, real: local, created: false }, name: 'env', length: 100, uid }
    const folder = await withNewPlace(place, async ({ folder }) => folder)
    assert.notEqual(removed, '')
    assert.deepEqual(readdirSync(local), [basename(folder)])
  } finally {
    context.mock.restoreAll()
    syncBuiltinESMExports()
  }
})
