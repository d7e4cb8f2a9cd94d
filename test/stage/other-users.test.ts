import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { ALICE, MALLORY, moduleOf, NEEDS_ROOT, shellOf } from '../platform/other-users.ts'
import { temporaryFolder } from './small-archive.ts'

const module = (name: string) => JSON.stringify(new URL(`../../src/${name}.ts`, import.meta.url).href)

/** `make(NAME)` makes a stage in the local folder, which is the first argument. */
const BEGIN = `
  const { mkdirSync, renameSync, writeFileSync } = await import('node:fs')
  const { findStage, writeRecord } = await import(${module('stage/record')})
  const { detachStage, ownStage } = await import(${module('stage/remove')})
  const { sweepDebris } = await import(${module('stage/sweep')})
  const { stagesIn } = await import(${module('stage/list')})
  const { ownIdentity } = await import(${module('platform/process-identity')})
  const [local] = process.argv.slice(1)
  const uid = process.getuid()
  const fill = (root) => {
    for (let n = 0; n < 40; n++) {
      mkdirSync(root + '/env/lib/' + n, { recursive: true, mode: 0o700 })
      for (const file of ['a', 'b']) writeFileSync(root + '/env/lib/' + n + '/' + file, '')
    }
  }
  const make = async (name) => {
    const [aside, folder] = [local + '/build-' + name, local + '/conda-stage_' + name]
    mkdirSync(aside, { mode: 0o700 })
    fill(aside)
    const record = { version: 1, original: '/net/env', prefix: folder + '/env', archive: { created: '' }, created: '',
      owner: { ...ownIdentity(), started: '1' }, readOnly: true, digests: {} }
    await writeRecord(aside, record)
    renameSync(aside, folder)
    return record.prefix
  }`

/** A folder in which everybody may make things, and rename those of others if `mode` has no sticky bit. */
function shared(context: TestContext, mode: number): string {
  const local = `${temporaryFolder(context)}/local`
  mkdirSync(local)
  chmodSync(`${local}/..`, 0o755)
  chmodSync(local, mode)
  return local
}

/** Puts links to Alice's precious folder, and that folder itself, in the place of whatever is being removed. */
const EXCHANGE = `
import os, sys
os.chdir(sys.argv[1])
def put(name, what):
    try:
        os.rename(name, 'aside')
        what(name)
        os.rename('aside', name)
    except OSError:
        try: os.rename('aside', 'aside-%d' % len(os.listdir('.')))
        except OSError: pass
def link(name):
    os.symlink('precious', name)
    os.unlink(name)
def folder(name):
    os.rename('precious', name)
    while True:
        try: return os.rename(name, 'precious')
        except OSError: name = [n for n in os.listdir('.') if os.path.exists(n + '/is-precious')][0]
while True:
    for name in os.listdir('.'):
        if 'conda-stage_' in name:
            put(name, link)
            put(name, folder)
`

test('whatever another user exchanges at the same time, a removal removes nothing but the copy', {
  skip: NEEDS_ROOT,
}, (context) => {
  // No place for a copy, because there others can exchange it at any time: made by an older version.
  const local = shared(context, 0o777)
  moduleOf(ALICE, `${BEGIN}; fill(local + '/precious'); writeFileSync(local + '/precious/is-precious', '')`, local)
  // She lets others look into it: only so does this test's Mallory find it again.
  chmodSync(`${local}/precious`, 0o755)
  const precious = (): string[] => {
    const folder = readdirSync(local).find((name) => existsSync(`${local}/${name}/is-precious`))
    return folder === undefined ? [] : readdirSync(`${local}/${folder}`, { recursive: true, encoding: 'utf8' })
  }
  const before = precious()
  assert.equal(before.length, 123)
  const mallory = spawn('python3', ['-c', EXCHANGE, local], { uid: MALLORY, gid: MALLORY, stdio: 'ignore' })
  context.after(() => mallory.kill('SIGKILL'))
  const removals = `${BEGIN}
    const end = Date.now() + 5000
    for (let n = 1000; Date.now() < end; n++) {
      const removal = make('AAAA' + n).then((prefix) => ownStage(prefix, uid)).then(detachStage)
      await removal.then((remove) => typeof remove === 'function' && remove()).catch((error) => {
        const expected = ['NOT_STAGED', 'NOT_REMOVED', 'TARGET_UNWRITABLE', 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST']
        if (!expected.includes(error.code)) throw error
      })
    }`
  moduleOf(ALICE, removals, local)
  mallory.kill('SIGKILL')
  const after = new Set(precious())
  assert.deepEqual(
    before.filter((file) => !after.has(file)),
    [],
  )
})

test('what another user has put there under the name of a stage, folder or link, is neither used nor removed', {
  skip: NEEDS_ROOT,
}, (context) => {
  const local = shared(context, 0o1777)
  // Whole, but for its owner.
  moduleOf(MALLORY, `${BEGIN}; await make('Mall')`, local)
  shellOf({ uid: MALLORY }, 'chmod -R 777 "$1"/conda-stage_Mall', local)
  moduleOf(ALICE, `${BEGIN}; mkdirSync(local + '/alice', { mode: 0o700 }); fill(local + '/alice')`, local)
  shellOf({ uid: MALLORY }, 'cd "$1"; ln -s alice conda-stage_Link; ln -s alice .conda-stage_link.removing', local)
  const before = readdirSync(local, { recursive: true }).length
  const seen = moduleOf(
    ALICE,
    `${BEGIN}
    const found = await Promise.all(['Mall', 'Link'].map((name) => findStage(local + '/conda-stage_' + name + '/env')))
    const removal = await ownStage(local + '/conda-stage_Mall/env', uid).catch(({ code }) => code)
    console.log(JSON.stringify([found, removal, await stagesIn(local, uid), await sweepDebris(local, { uid })]))`,
    local,
  )
  assert.deepEqual(JSON.parse(seen), [[null, null], 'NOT_STAGED', [], []])
  assert.equal(readdirSync(local, { recursive: true }).length, before)
})

test('a stage in whose folder others can write is neither used nor removed', { skip: NEEDS_ROOT }, (context) => {
  const local = shared(context, 0o1777)
  moduleOf(ALICE, `${BEGIN}; await make('Open'); await make('Mark')`, local)
  chmodSync(`${local}/conda-stage_Open`, 0o770)
  chmodSync(`${local}/conda-stage_Mark/stage.json`, 0o666)
  const seen = moduleOf(
    ALICE,
    `${BEGIN}
    const found = await Promise.all(['Open', 'Mark'].map((name) => findStage(local + '/conda-stage_' + name + '/env')))
    console.log(JSON.stringify([found, await stagesIn(local, uid), await sweepDebris(local, { uid })]))`,
    local,
  )
  assert.deepEqual(JSON.parse(seen), [[null, null], [], []])
  assert.equal(readdirSync(local).length, 2)
})

test('nothing is swept from a folder in which others can exchange names', { skip: NEEDS_ROOT }, (context) => {
  const local = shared(context, 0o777)
  // What looks like debris may be a folder that another user has renamed.
  moduleOf(ALICE, `${BEGIN}; fill(local + '/precious')`, local)
  shellOf({ uid: MALLORY }, 'cd "$1"; mv precious .conda-stage_AbCd.removing', local)
  const sweep = `${BEGIN}; console.log((await sweepDebris(local, { uid })).length)`
  assert.equal(moduleOf(ALICE, sweep, local), '0')
  chmodSync(local, 0o1777)
  assert.equal(moduleOf(ALICE, sweep, local), '1')
})
