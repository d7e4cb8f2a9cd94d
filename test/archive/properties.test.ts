import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { tarMembers } from '../../src/archive/read/tar-members.ts'
import { readIndex } from '../../src/archive/reader.ts'
import { END_OF_TAR, tarHeader } from '../../src/archive/tar.ts'
import { verifyArchive } from '../../src/archive/verify/verify-archive.ts'
import { StageError } from '../../src/errors.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import { byPath } from '../../src/model/byte-path.ts'
import { damage, damaged, tree } from './random-tree.ts'
import { contentsOf, directory, FORMATS, file, HEADER, hardlink, pack, symlink, workFolder } from './support.ts'

async function pathIn(context: TestContext, format: string): Promise<string> {
  return `${await workFolder(context)}/demo.${format}`
}

async function everything(path: string): Promise<{ index: ArchiveIndex; contents: Map<string, Buffer> }> {
  const index = await readIndex(path)
  return { index, contents: contentsOf(path, index) }
}

for (const format of FORMATS) {
  test(`whatever an environment holds, it comes out of a ${format} as it went in, and tar and zip tools see the same`, async (context) => {
    const path = await pathIn(context, format)
    await fc.assert(
      fc.asyncProperty(tree, async (items) => {
        rmSync(path, { force: true })
        // A zip in which nothing has a byte has no frame at all.
        const all = [...items.filter(({ entry }) => entry.path !== 'zz'), file('zz', 'some bytes')]
        const written = await pack(path, all)
        const { index, contents } = await everything(path)
        assert.deepEqual(index, written)
        assert.deepEqual(
          index.entries.map(({ path }) => path),
          all
            .map(({ entry }) => entry)
            .sort(byPath)
            .map(({ path }) => path),
        )
        for (const { entry, content } of all)
          if (content) assert.ok(contents.get(entry.path)!.equals(content.chunks as Buffer), entry.path)
        const handle = await open(path)
        try {
          const options = { path, handle, index, generator: HEADER.generator, besides: [] }
          assert.deepEqual(await verifyArchive(options), [])
        } finally {
          await handle.close()
        }
      }),
      { numRuns: 60 },
    )
  })

  test(`whatever happens to the bytes of a ${format}, it is read as it was, or refused with an error that names it`, async (context) => {
    const path = await pathIn(context, format)
    const items = [
      directory(''),
      directory('bin'),
      file('bin/tool', '#!/envs/demo/bin/python\n', {
        relocation: { kind: 'text', occurrences: [{ offset: 2, prefix: 0, encoding: 'utf8' }] },
      }),
      file('data', 'y'.repeat(5000)),
      hardlink('bin/tool2', 'bin/tool'),
      symlink('link', 'bin/tool'),
    ]
    await pack(path, items)
    const good = await everything(path)
    const bytes = readFileSync(path)
    await fc.assert(
      fc.asyncProperty(damage, async (damages) => {
        writeFileSync(path, damaged(bytes, damages))
        try {
          const { index, contents } = await everything(path)
          assert.deepEqual(index.entries, good.index.entries)
          assert.deepEqual(contents, good.contents)
        } catch (error) {
          if (!(error instanceof StageError)) throw error
          assert.match(error.code, /^ARCHIVE_(DAMAGED|FOREIGN|VERSION)$/)
          assert.ok(error.message.includes(path))
        }
      }),
      { numRuns: 1000 },
    )
  })
}

test('the header of any entry is read as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.constantFrom('', 'some/folder'), async (items, root) => {
      const blocks = items.flatMap(({ entry, content }) => {
        const bytes = (content?.chunks ?? Buffer.alloc(0)) as Buffer
        const filled = Buffer.alloc(Math.ceil(bytes.length / 512) * 512)
        bytes.copy(filled)
        return [tarHeader(entry, root), filled]
      })
      const found: object[] = []
      for await (const { path, type, mode, mtimeNs, size, target } of tarMembers(
        chunks(Buffer.concat([...blocks, END_OF_TAR])),
      ))
        found.push({ path, type, mode, mtimeNs, size, target })
      const top = root === '' ? '' : `${root}/`
      const expected = items.map(({ entry }) => ({
        path: (top + entry.path).replace(/\/$/, ''),
        type: entry.type,
        mode: entry.mode,
        mtimeNs: entry.mtimeNs,
        size: entry.type === 'file' ? entry.size : 0,
        target: entry.type === 'symlink' ? entry.target : entry.type === 'hardlink' ? top + entry.target : '',
      }))
      assert.deepEqual(found, expected)
    }),
    { numRuns: 300 },
  )
})

/** In pieces of a size that no block has. */
async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700)
}
