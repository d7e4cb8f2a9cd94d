import assert from 'node:assert/strict'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { archiveCandidates, candidatesBefore, chooseWritable } from '../../src/cache/index.ts'
import { directory, pack, workFolder } from '../archive/support.ts'

const environment = { kind: 'conda' as const, prefix: '/home/me/envs/demo', real: '/data/me/envs/demo', name: 'demo' }
const surroundings = { env: { HOME: '/home/me' }, cwd: '/work' }

test('an archive is looked for beside the environment, then in the cache folder', () => {
  const [beside, cached, ...more] = archiveCandidates(environment, surroundings)
  assert.equal(beside, '/home/me/envs/demo.tar.zst')
  assert.match(cached!, /^\/home\/me\/\.cache\/conda-stage\/demo-[0-9a-f]{12}\.tar\.zst$/)
  assert.deepEqual(more, [])
  assert.equal(archiveCandidates(environment, { ...surroundings, format: 'tar.gz' })[0], '/home/me/envs/demo.tar.gz')
})

test('environments of the same name have different archives in the cache folder', () => {
  const other = { ...environment, real: '/data/other/envs/demo' }
  assert.notEqual(archiveCandidates(environment, surroundings)[1], archiveCandidates(other, surroundings)[1])
  const linked = { ...environment, prefix: '/link/demo' }
  assert.equal(archiveCandidates(environment, surroundings)[1], archiveCandidates(linked, surroundings)[1])
})

test('XDG_CACHE_HOME names the cache folder, if it is absolute', () => {
  const cached = (XDG_CACHE_HOME: string) =>
    archiveCandidates(environment, { ...surroundings, env: { HOME: '/home/me', XDG_CACHE_HOME } })[1]!
  assert.ok(cached('/cache').startsWith('/cache/conda-stage/demo-'))
  assert.ok(cached('cache').startsWith('/home/me/.cache/conda-stage/'))
  assert.ok(cached('').startsWith('/home/me/.cache/conda-stage/'))
})

test('the places before an archive are known by its path, for each place that it can have', () => {
  for (const archiveFolder of [undefined, '/shared/{user}']) {
    const options = {
      ...surroundings,
      env: { ...surroundings.env, USER: 'me' },
      ...(archiveFolder && { archiveFolder }),
    }
    const candidates = archiveCandidates(environment, options)
    for (const [at, path] of candidates.entries()) {
      // That would take a hash, which costs more than asking for the archive.
      const isUnknown = archiveFolder !== undefined && path === '/home/me/envs/demo.tar.zst'
      const before = isUnknown ? undefined : candidates.slice(0, at)
      assert.deepEqual(candidatesBefore(path, environment, options), before, path)
    }
    for (const other of ['/home/me/envs/other.tar.zst', '/tmp/demo.tar.zst', `${candidates.at(-1)}x`])
      assert.equal(candidatesBefore(other, environment, options), undefined, other)
  }
})

test('--output replaces all other places', () => {
  assert.deepEqual(archiveCandidates(environment, { ...surroundings, output: 'my.tar.zst' }), ['/work/my.tar.zst'])
})

test('the archive goes beside the environment if that folder can be written', async (context) => {
  const folder = await workFolder(context)
  const candidates = [`${folder}/demo.tar.zst`, `${folder}/cache/conda-stage/demo.tar.zst`]
  assert.deepEqual(await chooseWritable(candidates, new Map()), { path: candidates[0], passedOver: [] })
  assert.deepEqual(await readdir(folder), [])
})

test('if the folder beside the environment takes no file, the archive goes to the cache folder, which only its owner can enter', async (context) => {
  const folder = await workFolder(context)
  // Nobody, not even root, can make a file in /proc.
  const candidates = ['/proc/demo.tar.zst', `${folder}/cache/conda-stage/demo.tar.zst`]
  const { path, passedOver } = await chooseWritable(candidates, new Map([[`${folder}/cache/conda-stage`, 0o700]]))
  assert.equal(path, candidates[1])
  assert.equal(passedOver[0]!.path, '/proc/demo.tar.zst')
  assert.match(passedOver[0]!.reason, /\/proc\/demo\.tar\.zst can't be written/)
  assert.equal((await stat(`${folder}/cache/conda-stage`)).mode & 0o777, 0o700)
})

test('a foreign file at the first place is passed over, and an archive of ours is replaced', async (context) => {
  const folder = await workFolder(context)
  const candidates = [`${folder}/demo.tar.zst`, `${folder}/cache/demo.tar.zst`]
  await writeFile(candidates[0]!, 'mine')
  const { path, passedOver } = await chooseWritable(candidates, new Map([[`${folder}/cache`, 0o700]]))
  assert.equal(path, candidates[1])
  assert.match(passedOver[0]!.reason, /was not written by conda-stage/)
  await mkdir(`${folder}/again`)
  await pack(`${folder}/again/demo.tar.zst`, [directory('')])
  assert.equal((await chooseWritable([`${folder}/again/demo.tar.zst`], new Map())).path, `${folder}/again/demo.tar.zst`)
})

test('if no place can be written, the error is about the first', async (context) => {
  const folder = await workFolder(context)
  await writeFile(`${folder}/demo.tar.zst`, 'mine')
  await assert.rejects(chooseWritable([`${folder}/demo.tar.zst`, '/proc/demo.tar.zst'], new Map()), {
    code: 'ARCHIVE_FOREIGN',
  })
  const missing = `${folder}/missing/demo.tar.zst`
  await assert.rejects(chooseWritable([missing], new Map()), { code: 'ARCHIVE_UNWRITABLE', path: missing })
})
