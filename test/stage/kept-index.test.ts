import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import { readKeptIndex } from '../../src/stage/kept-index.ts'
import { keepIndexOf, smallArchive, temporaryFolder } from './small-archive.ts'

async function archiveIn(context: TestContext): Promise<{ folder: string; archive: string; index: ArchiveIndex }> {
  const folder = temporaryFolder(context)
  const things = { lib: { content: randomBytes(3_000_000) } }
  return { folder, ...(await smallArchive(context, `${folder}/env.tar.zst`, ['/net/env'], things)) }
}

test("a stage keeps its archive's index in a file as small as that, which a limit of file sizes does not forbid", async (context) => {
  const { folder, archive, index } = await archiveIn(context)
  await keepIndexOf(archive, index, folder)
  assert.deepEqual(await readKeptIndex(folder), index)
  assert.ok(statSync(`${folder}/stage.index`).size < 65536)
})

test('an index that an earlier version kept, with a hole in place of the contents, is read, too', async (context) => {
  const { folder, archive, index } = await archiveIn(context)
  const bytes = readFileSync(archive)
  const { offset, compressedSize } = index.frames.at(-1)!
  const file = openSync(`${folder}/stage.index`, 'w')
  writeSync(file, bytes.subarray(0, index.frames[0]!.offset))
  writeSync(file, bytes, offset + compressedSize, undefined, offset + compressedSize)
  closeSync(file)
  assert.deepEqual(await readKeptIndex(folder), index)
})

test('a kept index that is gone, cut or forged is an error that names its file', async (context) => {
  const { folder, archive, index } = await archiveIn(context)
  await keepIndexOf(archive, index, folder)
  const path = `${folder}/stage.index`
  const bytes = readFileSync(path)
  for (const size of [0, 7, 20, 500, bytes.length - 1]) {
    writeFileSync(path, bytes.subarray(0, size))
    await assert.rejects(readKeptIndex(folder), { code: /^ARCHIVE_(DAMAGED|FOREIGN)$/, path })
  }
  for (const at of [8, 12, 16, 20]) {
    for (const number of [0, 255]) {
      const forged = Buffer.from(bytes)
      forged.fill(number, at, at + 4)
      if (forged.equals(bytes)) continue
      writeFileSync(path, forged)
      await assert.rejects(readKeptIndex(folder), { code: /^ARCHIVE_(DAMAGED|FOREIGN)$/, path })
    }
  }
  rmSync(path)
  await assert.rejects(readKeptIndex(folder), { code: 'ARCHIVE_UNREADABLE', path })
})

test('an archive that is cut after its index was read is a damaged one, wherever it is cut', async (context) => {
  const { folder, archive, index } = await archiveIn(context)
  const last = index.frames.at(-1)!
  for (const size of [last.offset + last.compressedSize, last.offset, 10, 0]) {
    truncateSync(archive, size)
    await assert.rejects(keepIndexOf(archive, index, folder), { code: 'ARCHIVE_DAMAGED', path: archive })
  }
})
