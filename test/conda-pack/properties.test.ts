import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StageError } from '../../src/errors.ts'
import { damage, damaged } from '../archive/random-tree.ts'
import { COMPRESS, condaPackTar, condaPackZip, folderOf, type ReadEntry, readCondaPack } from './hand-made.ts'

const more = [
  { name: 'lib/data', content: 'y'.repeat(3000) },
  { name: 'lib/link', type: '2', link: 'data' },
  { name: 'lib/hard', type: '1', link: 'lib/data' },
  { name: 'lib/long', content: 'x', pax: { path: `lib/${'l'.repeat(150)}`, mtime: '1.5' } },
]
const MAKE: Record<string, () => Buffer> = {
  tar: () => condaPackTar(...more),
  'tar.gz': () => COMPRESS['tar.gz']!(condaPackTar(...more)),
  'tar.zst': () => COMPRESS['tar.zst']!(condaPackTar(...more)),
  zip: () =>
    condaPackZip(
      { name: 'lib/data', content: 'y'.repeat(3000), deflate: true },
      { name: 'lib/link', content: 'data', mode: 0o120777 },
    ),
}

const textOf = (found: Map<string, ReadEntry>) =>
  [...found].map(
    ([path, { entry, content }]) => `${path} ${entry.type} ${'target' in entry ? entry.target : ''} ${content}`,
  )

for (const [kind, make] of Object.entries(MAKE)) {
  test(`whatever happens to the bytes of a ${kind} of conda-pack's, it is read as it was, or refused with an error that names it`, async (context) => {
    const path = `${folderOf(context)}/theirs.${kind}`
    const whole = make()
    const good = textOf(await readCondaPack(path, { bytes: whole }))
    await fc.assert(
      fc.asyncProperty(damage, async (damages) => {
        try {
          const found = await readCondaPack(path, { bytes: damaged(whole, damages) })
          for (const at of found.keys()) assert.ok(!at.startsWith('/') && !at.split('/').includes('..'), at)
          // A plain tar has checksums of its headers only, and those of a zip's and gzip's times and modes cover nothing.
          if (kind !== 'tar') assert.deepEqual(textOf(found).sort(), good.toSorted())
        } catch (error) {
          if (!(error instanceof StageError)) throw error
          assert.match(error.code, /^ARCHIVE_(DAMAGED|FOREIGN)$/)
          assert.ok(error.message.includes(path))
        }
      }),
      { numRuns: 600 },
    )
  })
}
