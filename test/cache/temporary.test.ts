import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { withArchiveLock } from '../../src/cache/lock.ts'
import { removeLeftovers, temporaryName } from '../../src/cache/temporary.ts'

test('a temporary file stands beside its archive and has a name that every file system takes, whatever the archive is called', () => {
  const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 })
  fc.assert(
    fc.property(names, (name) => {
      const path = `/folder/${name.replaceAll('/', '_').replaceAll('\0', '_')}.tar.zst`
      const temporary = temporaryName(path)
      assert.equal(dirname(temporary), '/folder')
      assert.ok(Buffer.byteLength(basename(temporary)) <= 255)
      assert.match(basename(temporary), /^\.tmp\./)
    }),
  )
})

/** A packer that left its file, as the world may see it: it has ended, but its parent has not noticed; or it runs. */
async function packerThat(ends: boolean, body: (file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'temporary-'))
  const parent = spawn('bash', ['-c', `${ends ? 'sleep 0.2' : 'sleep 60'} & echo $!; exec sleep 60`], {
    detached: true,
  })
  try {
    const pid = String(await once(parent.stdout, 'data')).trim()
    const state = () => / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]
    while (state() !== (ends ? 'Z' : 'S')) await sleep(10)
    const name = basename(temporaryName(`${folder}/a.tar.zst`)).replace(`-${process.pid}-`, () => `-${pid}-`)
    writeFileSync(join(folder, name), '')
    await body(join(folder, name))
  } finally {
    process.kill(-parent.pid!, 'SIGKILL')
    rmSync(folder, { recursive: true })
  }
}

test("a killed packer's file is removed, also while its parent has not noticed its end; a living packer's stays", async () => {
  for (const ends of [true, false])
    await packerThat(ends, async (file) => {
      await removeLeftovers(join(dirname(file), 'a.tar.zst'))
      assert.equal(existsSync(file), !ends)
    })
})

for (const ahead of [-3_600_000, 3_600_000])
  test(`the file of a packer on another node stays, and is removed ten minutes after its last write, with our clock ${ahead / 60_000} minutes ahead`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'temporary-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const now = Date.now()
    context.mock.method(Date, 'now', () => now + ahead)
    const [living, dead] = ['00000001', '00000002'].map((end) => `.tmp.a.tar.zst.other-node-17-${end}`)
    for (const name of [living!, dead!]) writeFileSync(join(folder, name), '')
    const past = new Date(now - 601_000)
    utimesSync(join(folder, dead!), past, past)
    await withArchiveLock(`${folder}/a.tar.zst`, {}, async () => {
      await removeLeftovers(`${folder}/a.tar.zst`)
      assert.deepEqual(readdirSync(folder).sort(), ['.a.tar.zst.lock', living])
    })
  })
