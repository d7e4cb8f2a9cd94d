import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import { publishArchive, withArchiveLock } from '../../src/cache/index.ts'
import { StageError } from '../../src/errors.ts'
import { contentsOf, directory, file, pack, workFolder } from '../archive/support.ts'
import { packer } from './packers.ts'

const publish = (path: string, text: string) =>
  publishArchive({ path, staleMs: 2000, write: (temporary) => pack(temporary, [directory(''), file('text', text)]) })

const textIn = async (path: string) =>
  contentsOf(path, await readIndex(path))
    .get('text')
    ?.toString()

const exit = async (child: ChildProcess) => (child.exitCode === null ? (await once(child, 'exit'))[0] : child.exitCode)

test('publishing an archive leaves nothing else in its folder', async (context) => {
  const folder = await workFolder(context)
  await publish(`${folder}/demo.tar.zst`, 'new')
  assert.equal(await textIn(`${folder}/demo.tar.zst`), 'new')
  assert.deepEqual(await readdir(folder), ['demo.tar.zst'])
})

test('a reader of the old archive can finish while a new one is put in place', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await publish(path, 'old')
  const before = await readFile(path)
  const handle = await open(path)
  await publish(path, 'new')
  assert.ok((await handle.readFile()).equals(before))
  await handle.close()
  assert.equal(await textIn(path), 'new')
})

test('publishing never overwrites or removes a file that is not one of our archives', async (context) => {
  const folder = await workFolder(context)
  const path = `${folder}/demo.tar.zst`
  await writeFile(path, 'mine')
  await assert.rejects(publish(path, 'new'), { code: 'ARCHIVE_FOREIGN', path })
  assert.equal(await readFile(path, 'utf8'), 'mine')
  // Nor a file that comes while we pack.
  const late = `${folder}/late.tar.zst`
  const write = async (temporary: string) => {
    await pack(temporary, [directory('')])
    await writeFile(late, 'mine')
  }
  await assert.rejects(publishArchive({ path: late, write }), { code: 'ARCHIVE_FOREIGN', path: late })
  assert.equal(await readFile(late, 'utf8'), 'mine')
  await symlink('demo.tar.zst', `${folder}/link.tar.zst`)
  await mkdir(`${folder}/folder.tar.zst`)
  await assert.rejects(publish(`${folder}/link.tar.zst`, 'new'), { code: 'ARCHIVE_FOREIGN' })
  await assert.rejects(publish(`${folder}/folder.tar.zst`, 'new'), { code: 'ARCHIVE_FOREIGN' })
  const left = ['demo.tar.zst', 'folder.tar.zst', 'late.tar.zst', 'link.tar.zst']
  assert.deepEqual((await readdir(folder)).sort(), left)
})

test('if packing fails, the old archive stays, and nothing else', async (context) => {
  const folder = await workFolder(context)
  const path = `${folder}/demo.tar.zst`
  await publish(path, 'old')
  const write = async (temporary: string) => {
    await writeFile(temporary, 'half')
    throw new StageError('CHANGED', 'something changed')
  }
  await assert.rejects(publishArchive({ path, write }), { code: 'CHANGED' })
  const cancelled = AbortSignal.abort('SIGINT')
  const all = (temporary: string) => pack(temporary, [directory('')])
  await assert.rejects(publishArchive({ path, signal: cancelled, write: all }), { code: 'CANCELLED' })
  assert.equal(await textIn(path), 'old')
  assert.deepEqual(await readdir(folder), ['demo.tar.zst'])
})

test('of two packers at the same time the second waits and says so, and both archives are whole', async (context) => {
  const folder = await workFolder(context)
  const path = `${folder}/demo.tar.zst`
  const first = packer(context, path, 'first', 1500)
  await first.said('writing')
  const second = packer(context, path, 'second', 0)
  await second.said('waiting')
  await first.said('done')
  assert.match((await textIn(path))!, /^(first|second)$/)
  assert.deepEqual([await exit(first.child), await exit(second.child)], [0, 0])
  assert.deepEqual(second.words, ['waiting', 'writing', 'done'])
  assert.equal(await textIn(path), 'second')
  assert.deepEqual(await readdir(folder), ['demo.tar.zst'])
})

test('a packer that waited for another can take the archive that the other packed', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await publish(path, 'old')
  const result = await publishArchive({ path, already: () => textIn(path), write: () => assert.fail('written again') })
  assert.equal(result, 'old')
})

test('after a packer was killed, the old archive is whole, and the next packer cleans up and packs', async (context) => {
  const folder = await workFolder(context)
  const path = `${folder}/demo.tar.zst`
  await publish(path, 'old')
  const { child, said } = packer(context, path, 'killed', 60_000)
  await said('writing')
  child.kill('SIGKILL')
  await exit(child)
  const debris = (await readdir(folder)).sort()
  assert.equal(debris.length, 3)
  assert.equal(debris[0], '.demo.tar.zst.lock')
  assert.match(debris[1]!, /^\.tmp\.demo\.tar\.zst\./)
  assert.equal(await textIn(path), 'old')
  await publish(path, 'new')
  assert.equal(await textIn(path), 'new')
  assert.deepEqual(await readdir(folder), ['demo.tar.zst'])
})

test('publishing removes files that dead packers of this archive left, and no others', async (context) => {
  const folder = await workFolder(context)
  const host = hostname()
    .replace(/[^\w.]/g, '_')
    .slice(0, 40)
  const long = new Date(Date.now() - 3_600_000)
  const files: Record<string, 'dead' | 'kept'> = {
    [`.tmp.demo.tar.zst.${host}-4194999-00000001`]: 'dead',
    [`.tmp.demo.tar.zst.${host}-${process.pid}-00000002`]: 'kept',
    '.tmp.demo.tar.zst.other-node-17-00000003': 'kept',
    '.tmp.demo.tar.zst.other-node-17-00000004': 'dead',
    [`.tmp.demo.tar.zst.2.${host}-4194999-x`]: 'kept',
    [`.tmp.demo2.tar.zst.${host}-4194999-00000005`]: 'kept',
  }
  for (const name of Object.keys(files)) await writeFile(`${folder}/${name}`, '')
  await utimes(`${folder}/.tmp.demo.tar.zst.other-node-17-00000004`, long, long)
  await publish(`${folder}/demo.tar.zst`, 'new')
  const kept = Object.keys(files).filter((name) => files[name] === 'kept')
  assert.deepEqual((await readdir(folder)).sort(), [...kept, 'demo.tar.zst'].sort())
})

test('a packer that waited too long for a lock names it, and does not remove it', async (context) => {
  const folder = await workFolder(context)
  const path = `${folder}/demo.tar.zst`
  await withArchiveLock(path, {}, async () => {
    const waited: string[] = []
    const options = { patienceMs: 600, onWait: (lock: string) => waited.push(lock) }
    await assert.rejects(
      withArchiveLock(path, options, () => assert.fail('held twice')),
      (error: StageError) => {
        assert.equal(error.code, 'LOCKED')
        assert.ok(error.message.includes(`${folder}/.demo.tar.zst.lock`))
        return true
      },
    )
    assert.deepEqual(waited, [`${folder}/.demo.tar.zst.lock`])
    assert.deepEqual(await readdir(folder), ['.demo.tar.zst.lock'])
  })
  assert.deepEqual(await readdir(folder), [])
})

test('waiting for another packer can be cancelled', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await withArchiveLock(path, {}, async () => {
    const controller = new AbortController()
    const options = { signal: controller.signal, onWait: () => controller.abort('SIGINT') }
    await assert.rejects(
      withArchiveLock(path, options, () => assert.fail('held twice')),
      { code: 'CANCELLED' },
    )
  })
})

test('a packer keeps its lock for as long as it works', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  const { said } = packer(context, path, 'slow', 4000)
  await said('writing')
  await publish(path, 'second')
  await said('done')
  // If the second had taken the lock, the slow one would have come last.
  assert.equal(await textIn(path), 'second')
})

test('a packer that loses its lock still finishes', async (context) => {
  const folder = await workFolder(context)
  const path = `${folder}/demo.tar.zst`
  await withArchiveLock(path, {}, () => rename(`${folder}/.demo.tar.zst.lock`, `${folder}/taken`))
  assert.deepEqual(await readdir(folder), ['taken'])
})

test('publishing into a folder that does not exist, or takes no file, says so', async (context) => {
  const folder = await workFolder(context)
  for (const path of [`${folder}/missing/demo.tar.zst`, '/proc/demo.tar.zst']) {
    await assert.rejects(publish(path, 'new'), { code: 'ARCHIVE_UNWRITABLE', path })
  }
})
