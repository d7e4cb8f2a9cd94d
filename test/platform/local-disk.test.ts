import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, test } from 'node:test'
import type { StageError } from '../../src/errors.ts'
import { findLocalFolder, type LocalRequest } from '../../src/platform/local-disk.ts'
import { parseMountInfo } from '../../src/platform/mounts.ts'
import { asOrdinaryUser } from './as-ordinary-user.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/local-disk-`)
})
afterEach(() => rmSync(home, { recursive: true }))

const LOCAL = parseMountInfo('1 0 8:1 / / rw - ext4 /dev/sda1 rw')
const find = (request: Partial<LocalRequest>) =>
  findLocalFolder({
    env: {},
    cwd: home,
    uid: process.getuid!(),
    needed: { bytes: 1000, inodes: 10 },
    mounts: LOCAL,
    ...request,
  })

/** The error, after checks that every error of this kind must pass. */
async function failure(request: Partial<LocalRequest>): Promise<StageError> {
  const error: StageError = await find(request).then(
    () => assert.fail('found a folder'),
    (reason) => reason,
  )
  assert.equal(error.name, 'StageError', String(error.stack))
  assert.match(error.hint ?? '', /--path/)
  if (request.path !== undefined) assert.match(error.message, new RegExp(`${request.path}.*--path`))
  return error
}

test('--path wins over CONDA_STAGE_PATH, which wins over every other place', async () => {
  mkdirSync(`${home}/a`)
  mkdirSync(`${home}/b`)
  const env = { CONDA_STAGE_PATH: `${home}/b`, TMPDIR: home }
  assert.equal((await find({ env, path: `${home}/a` })).path, `${home}/a`)
  assert.equal((await find({ env })).path, `${home}/b`)
  assert.equal((await find({ env: { TMPDIR: home }, candidates: [{ path: home, source: 'x' }] })).path, home)
})

test('a relative --path starts at the current folder, and its last part is created for this user alone', async () => {
  const found = await find({ path: 'new' })
  assert.deepEqual([found.path, found.created], [`${home}/new`, true])
  assert.equal(statSync(`${home}/new`).mode & 0o7777, 0o700)
  assert.equal((await find({ path: 'new' })).created, false)
})

test('a dry run leaves no folder behind', async () => {
  assert.equal((await find({ path: 'new', dryRun: true })).real, `${home}/new`)
  assert.equal(existsSync(`${home}/new`), false)
})

test('a --path with several missing parts is an error, and nothing is created', async () => {
  const error = await failure({ path: `${home}/typo/more` })
  assert.equal(error.code, 'TARGET_UNWRITABLE')
  assert.match(error.message, /typo\/more \(from --path\) can't be created: \S+\/typo does not exist$/)
  assert.equal(existsSync(`${home}/typo`), false)
})

test('a --path that is a file is refused', async () => {
  writeFileSync(`${home}/file`, '')
  assert.equal((await failure({ path: `${home}/file` })).code, 'TARGET_UNWRITABLE')
})

test('a --path on a network file system is refused, even behind a symbolic link, and nothing is created there', async () => {
  mkdirSync(`${home}/net`)
  symlinkSync(`${home}/net`, `${home}/link`)
  const mounts = [...LOCAL, ...parseMountInfo(`2 1 0:9 / ${home}/net rw - nfs4 s:/x rw`)]
  for (const path of [`${home}/net`, `${home}/link`, `${home}/net/new`]) {
    const error = await failure({ path, mounts })
    assert.equal(error.code, 'TARGET_NETWORK')
    assert.match(error.message, /nfs4/)
  }
  assert.equal(existsSync(`${home}/net/new`), false)
})

test('a --path from which no program can be run is refused', async () => {
  const mounts = parseMountInfo('1 0 8:1 / / rw,noexec - ext4 /dev/sda1 rw')
  assert.equal((await failure({ path: home, mounts })).code, 'TARGET_NOEXEC')
})

test('a folder in which other users could replace the copy is refused', async () => {
  mkdirSync(`${home}/open`)
  chmodSync(`${home}/open`, 0o777)
  assert.equal((await failure({ path: `${home}/open` })).code, 'TARGET_UNSAFE')
  chmodSync(`${home}/open`, 0o1777)
  assert.equal((await find({ path: `${home}/open` })).path, `${home}/open`)
})

test('a local folder that PATH could not hold, or whose path is not valid UTF-8, is refused, and none is made', async () => {
  for (const name of ['a:b', 'a\uFFFDb']) {
    assert.equal((await failure({ path: `${home}/${name}` })).code, 'TARGET_UNWRITABLE')
    assert.equal(existsSync(`${home}/${name}`), false)
  }
  mkdirSync(`${home}/c:d`)
  symlinkSync('c:d', `${home}/link`)
  assert.match((await failure({ path: `${home}/link` })).message, /colon in its path/)
})

test('the message names the folder on the way to --path that lets others exchange it, and says what to do', async () => {
  mkdirSync(`${home}/open/mine`, { recursive: true })
  chmodSync(`${home}/open`, 0o777)
  const error = await failure({ path: `${home}/open/mine` })
  assert.equal(error.code, 'TARGET_UNSAFE')
  assert.equal(
    error.message,
    `${home}/open/mine (from --path) is not safe from other users: ${home}/open is writable for everybody and has no sticky bit (mode 0777)`,
  )
  assert.match(error.hint ?? '', new RegExp(`chmod o-w '${home}/open'`))
})

test("another user's folder is refused as the local folder", async () => {
  mkdirSync(`${home}/theirs`)
  const me = process.getuid!()
  if (me === 0) chownSync(`${home}/theirs`, 12345, 12345)
  const error = await failure({ path: `${home}/theirs`, uid: me === 0 ? 0 : me + 1 })
  assert.equal(error.code, 'TARGET_UNSAFE')
})

test('a folder that this user may not write to is refused', () => {
  mkdirSync(`${home}/closed`, { mode: 0o555 })
  const error = JSON.parse(asOrdinaryUser(FIND, [`${home}/closed`, String(process.getuid!())]))
  assert.equal(error.code, 'TARGET_UNWRITABLE')
  assert.match(error.message, /is not writable for you/)
})

test('too little room or too few inodes is reported in numbers before anything is written', async () => {
  const space = await failure({ path: home, needed: { bytes: 1e18, inodes: 1 } })
  assert.equal(space.code, 'NO_SPACE')
  assert.match(space.message, /1000000000000 MB needed, [\d.]+ MB available/)
  const inodes = await failure({ path: `${home}/new`, needed: { bytes: 1, inodes: 1e15 } })
  assert.equal(inodes.code, 'NO_INODES')
  assert.match(inodes.message, /1000000000000000 inodes needed, \d+ available/)
  assert.equal(existsSync(`${home}/new`), false)
})

test('if no folder is named, the first suitable one is used, and the reasons against the others are kept', async () => {
  for (const name of ['net', 'open/mine', 'good']) mkdirSync(`${home}/${name}`, { recursive: true })
  chmodSync(`${home}/open`, 0o777)
  const mounts = [...LOCAL, ...parseMountInfo(`2 1 0:9 / ${home}/net rw - lustre s:/x rw`)]
  const candidates = ['net', 'none', 'open', 'open/mine', 'good', 'later'].map((name) => ({
    path: `${home}/${name}`,
    source: name,
  }))
  const found = await find({ mounts, candidates })
  assert.equal(found.real, `${home}/good`)
  assert.deepEqual(
    found.skipped.map(({ source, code }) => [source, code]),
    [
      ['net', 'TARGET_NETWORK'],
      ['none', 'TARGET_UNWRITABLE'],
      ['open', 'TARGET_UNSAFE'],
      ['open/mine', 'TARGET_UNSAFE'],
    ],
  )
})

test('if no folder is suitable, the error names each one with the reason', async () => {
  mkdirSync(`${home}/net`)
  const mounts = [...LOCAL, ...parseMountInfo(`2 1 0:9 / ${home}/net rw - lustre s:/x rw`)]
  const candidates = ['net', 'none'].map((name) => ({ path: `${home}/${name}`, source: name }))
  const error = await failure({ mounts, candidates })
  assert.equal(error.code, 'NO_LOCAL_DISK')
  assert.match(
    error.lines.join('\n'),
    /net \(net\) is on a network file system \(lustre\)\n.*none \(none\) does not exist/,
  )
})

test('if a folder lacks only room, the error says so', async () => {
  const candidates = ['none', '.'].map((name) => ({ path: `${home}/${name}`, source: name }))
  const error = await failure({ candidates, needed: { bytes: 1e18, inodes: 1 } })
  assert.equal(error.code, 'NO_SPACE')
  assert.match(error.lines.join('\n'), /none \(none\) does not exist/)
})

const MODULE = JSON.stringify(new URL('../../src/platform/local-disk.ts', import.meta.url).href)
const FIND = `
  const { findLocalFolder } = await import(${MODULE})
  const [path, uid] = process.argv.slice(1)
  const request = { env: {}, cwd: '/', uid: Number(uid), path, needed: { bytes: 1, inodes: 1 } }
  const { code, message } = await findLocalFolder(request).catch((error) => error)
  console.log(JSON.stringify({ code, message }))`
