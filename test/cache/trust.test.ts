import assert from 'node:assert/strict'
import { chmod, chown, open, symlink, writeFile } from 'node:fs/promises'
import { getuid } from 'node:process'
import { test } from 'node:test'
import { assertTrusted, openTrusted } from '../../src/cache/trust.ts'
import { StageError } from '../../src/errors.ts'
import { run, workFolder } from '../archive/support.ts'

const uid = getuid!()

const untrusted = (what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StageError)
  assert.equal(error.code, 'ARCHIVE_UNTRUSTED')
  assert.match(error.message, what)
  assert.ok(error.hint)
  return true
}

test('an archive is used if a trusted user owns it and nobody else can write it', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await writeFile(path, 'x', { mode: 0o644 })
  const handle = await openTrusted(path, [uid])
  assert.equal(await handle.readFile('utf8'), 'x')
  await handle.close()
})

for (const mode of [0o664, 0o646, 0o666, 0o620]) {
  test(`an archive of mode ${mode.toString(8)} is not used, and the message says how to change that`, async (context) => {
    const path = `${await workFolder(context)}/demo.tar.zst`
    await writeFile(path, 'x')
    await chmod(path, mode)
    await assert.rejects(openTrusted(path, [uid]), (error: StageError) => {
      assert.match(error.hint!, /chmod go-w '.*demo\.tar\.zst'/)
      return untrusted(/other users can write to it/)(error)
    })
  })
}

test('archives of root and of the environment’s owner are used, those of other users are not', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await writeFile(path, 'x', { mode: 0o644 })
  const stranger = uid === 0 ? 65_534 : uid
  if (uid === 0) await chown(path, stranger, stranger)
  await assert.rejects(openTrusted(path, [stranger + 1]), untrusted(new RegExp(`belongs to user ${stranger}`)))
  await (await openTrusted(path, [stranger + 1, stranger])).close()
  await (await openTrusted('/etc/passwd', [stranger + 1])).close()
})

test('a symbolic link, a folder or a FIFO is not used as an archive', async (context) => {
  const folder = await workFolder(context)
  await writeFile(`${folder}/file`, 'x', { mode: 0o644 })
  await symlink('file', `${folder}/link`)
  await run('mkfifo', [`${folder}/fifo`])
  await assert.rejects(openTrusted(`${folder}/link`, [uid]), untrusted(/symbolic link/))
  await assert.rejects(openTrusted(`${folder}/fifo`, [uid]), untrusted(/not a file/))
  await assert.rejects(openTrusted(folder, [uid]), untrusted(/not a file/))
  const handle = await open(`${folder}/link`)
  await assert.rejects(assertTrusted(`${folder}/link`, handle, [uid]), untrusted(/symbolic link/))
  await handle.close()
})
