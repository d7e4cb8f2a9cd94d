import assert from 'node:assert/strict'
import { open, stat, utimes, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { noteUse } from '../../src/cache/index.ts'
import { workFolder } from '../archive/support.ts'

const DAYS_AGO = (n: number) => new Date(Date.now() - n * 86_400_000)

test('using an archive sets its access time, even on a disk mounted with noatime, and keeps its mtime', async (context) => {
  const path = `${await workFolder(context)}/archive`
  await writeFile(path, '')
  const note = async (uid: number) => {
    const handle = await open(path)
    await noteUse(handle, uid)
    await handle.close()
    const { atime, mtime } = await stat(path)
    return { used: atime > DAYS_AGO(0.1), mtime }
  }
  const written = DAYS_AGO(80)
  await utimes(path, written, written)
  const me = process.getuid!()
  assert.deepEqual(await note(me + 1), { used: false, mtime: written }, "another user's")
  assert.deepEqual(await note(me), { used: true, mtime: written })
  const today = DAYS_AGO(0.2)
  await utimes(path, today, written)
  assert.equal((await note(me)).used, false, 'not at each use')
})
