import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { isOurs, readHead, readIndex } from '../../src/archive/reader.ts'
import { StageError } from '../../src/errors.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { contentsOf, directory, FORMATS, file, hardlink, pack, run, symlink, workFolder } from './support.ts'

const small = (): ArchiveItem[] => [
  directory(''),
  directory('bin'),
  file('bin/tool', '#!/envs/demo/bin/python\nprint("a few words")\n', {
    package: 'demo-1-0',
    relocation: { kind: 'text', occurrences: [{ offset: 2, prefix: 0, encoding: 'utf8' }] },
  }),
  hardlink('bin/tool2', 'bin/tool'),
  symlink('link', 'bin/tool'),
]

async function everything(path: string): Promise<{ index: object; contents: Map<string, Buffer> }> {
  const index = await readIndex(path)
  return { index, contents: contentsOf(path, index) }
}

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof StageError, String(error))
  assert.equal(error.code, expected, error.message)
  assert.ok(error.message.includes(error.path!))
  assert.ok(error.hint)
  return true
}

for (const format of FORMATS) {
  test(`a flipped bit anywhere in a ${format} is noticed, or changes nothing in what is read`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    await pack(path, small())
    const good = await everything(path)
    const bytes = await readFile(path)
    const missed: number[] = []
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= 1 << (at % 8)
      await writeFile(path, damaged)
      try {
        assert.deepEqual(await everything(path), good, `byte ${at}`)
        missed.push(at)
      } catch (error) {
        if (!(error instanceof StageError)) throw error
        code('ARCHIVE_DAMAGED')(error)
        assert.ok(await isOurs(path), `byte ${at}`)
      }
    }
    // Bits that nothing depends on: gzip's time and system in the header of the one frame, and a few that zstd ignores.
    if (format !== 'zip') assert.ok(missed.length <= 8, `not found: ${missed}`)
    // A zip's headers and directory are for other programs. We don't use them.
    const { frames } = good.index as ArchiveIndex
    const inFrames = missed.filter((at) => frames.some((f) => at >= f.offset && at < f.offset + f.compressedSize))
    assert.ok(inFrames.length <= 8, `not found: ${inFrames}`)
  })

  test(`a ${format} cut off anywhere behind its first kilobyte is called damaged, not foreign`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    await pack(path, [...small(), file('big', 'x'.repeat(3_000_000))])
    const { length } = await readFile(path)
    for (const size of [length - 1, length - 10, length - 300, length >> 1, 1100]) {
      await truncate(path, size)
      await assert.rejects(readIndex(path), code('ARCHIVE_DAMAGED'))
      await assert.rejects(readHead(path), code('ARCHIVE_DAMAGED'))
      assert.ok(await isOurs(path))
    }
  })

  test(`a ${format} cut off at any border of its parts, or one byte before or behind it, is not taken for a whole one`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    const { frames } = await pack(path, [...small(), file('big', randomBytes(6_000_000))])
    const bytes = await readFile(path)
    assert.ok(frames.length >= 2)
    const end = frames.at(-1)!.offset + frames.at(-1)!.compressedSize
    const behind = Array.from({ length: bytes.length - end }, (_, n) => end + n)
    const borders = frames.flatMap(({ offset, compressedSize }) => [offset, offset + compressedSize])
    const head = Array.from({ length: 1300 }, (_, n) => n)
    const around = borders.flatMap((at) => [at - 1, at, at + 1])
    for (const size of [...new Set([...head, ...around, ...behind])].sort((a, b) => b - a)) {
      if (size >= bytes.length) continue
      await truncate(path, size)
      const failed = (error: unknown) =>
        error instanceof StageError &&
        (error.code === 'ARCHIVE_DAMAGED' || (size < 1200 && error.code === 'ARCHIVE_FOREIGN'))
      await assert.rejects(readIndex(path), failed, `${size} of ${bytes.length}`)
      await assert.rejects(readHead(path), failed, `${size} of ${bytes.length}`)
    }
  })

  test(`a ${format} with another one behind it is called damaged`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    await pack(path, small())
    const bytes = await readFile(path)
    await writeFile(path, Buffer.concat([bytes, bytes]))
    await assert.rejects(readIndex(path), code('ARCHIVE_DAMAGED'))
  })

  test(`a ${format} with extra bytes behind its end is called damaged`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    await pack(path, small())
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from('more')]))
    await assert.rejects(readIndex(path), code('ARCHIVE_DAMAGED'))
  })

  test(`the error about a ${format} of another format version says which program wrote it`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    const { encodeFooter, decodeFooter, FOOTER_SIZE } = await import('../../src/archive/format.ts')
    await pack(path, small())
    const bytes = await readFile(path)
    const at = bytes.lastIndexOf('CSTAGEIX')
    const footer = decodeFooter(bytes.subarray(at, at + FOOTER_SIZE))
    assert.ok(typeof footer === 'object')
    encodeFooter({ ...footer, version: 7, generator: 'conda-stage 9.9' }).copy(bytes, at)
    await writeFile(path, bytes)
    await assert.rejects(readIndex(path), (error: Error) => {
      assert.match(error.message, /format 7.*conda-stage 9\.9/)
      return code('ARCHIVE_VERSION')(error)
    })
    assert.ok(await isOurs(path))
  })
}

test('a file that conda-stage did not write is called foreign, whatever it is', async (context) => {
  const folder = await workFolder(context)
  await writeFile(`${folder}/data`, 'something of mine')
  await run('tar', ['--zstd', '-cf', `${folder}/other.tar.zst`, '-C', folder, 'data'])
  await run('tar', ['-czf', `${folder}/other.tar.gz`, '-C', folder, 'data'])
  await writeFile(`${folder}/empty.tar.zst`, '')
  await run('mkfifo', [`${folder}/fifo.tar.zst`])
  for (const name of ['data', 'other.tar.zst', 'other.tar.gz', 'empty.tar.zst']) {
    await assert.rejects(readIndex(`${folder}/${name}`), code('ARCHIVE_FOREIGN'), name)
    await assert.rejects(readHead(`${folder}/${name}`), code('ARCHIVE_FOREIGN'), name)
    assert.equal(await isOurs(`${folder}/${name}`), false, name)
  }
  assert.equal(await isOurs(`${folder}/fifo.tar.zst`), false)
  assert.equal(await isOurs(folder), false)
  assert.equal(await isOurs(`${folder}/missing`), false)
})
