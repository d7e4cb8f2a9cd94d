/** Indexes in which anything is anything else, with all checksums right. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readIndex } from '../../src/archive/reader.ts'
import { StageError } from '../../src/errors.ts'
import { extract } from '../../src/stage/extract.ts'
import { removeTree } from '../../src/stage/remove-tree.ts'
import { forge } from '../archive/forge.ts'
import { listing } from '../archive/support.ts'
import { newPrefix, originalOf, smallArchive, type Thing, temporaryFolder } from './small-archive.ts'

const ORIGINAL = originalOf(80)
const TREE: Record<string, Thing> = {
  'bin/tool': { content: `#!${ORIGINAL}/bin/python\n${ORIGINAL}\n`, mode: 0o755 },
  'lib/tool.so': {
    content: Buffer.from(`\x7fELF\0${ORIGINAL}/lib${'\0'.repeat(200)}x`),
    placeholder: { text: `/${'p'.repeat(200)}`, mode: 'binary' },
  },
  'lib/link': { symlink: 'tool.so' },
  'lib/second': { hardlink: 'bin/tool', mode: 0o755 },
  'lib/empty': { content: '' },
}

/** Values that somebody might put in the place of another one. */
const value = fc.oneof(
  fc.integer({ min: -2, max: 12 }),
  fc.constantFrom<unknown>(2 ** 31, 2 ** 53, 1e300, 0.5, -1, null, true, '', 'x', '..', '/', [], {}, [0], {
    offset: 0,
  }),
  fc.constantFrom(
    'utf8',
    'utf16le',
    'elf',
    'text',
    'pyc-only',
    'd',
    'f',
    'l',
    'h',
    'ddffhl',
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 5 }),
)

/** Which part of the index, step by step, and what takes its place. */
const lies = fc.array(fc.tuple(fc.array(fc.nat(30), { minLength: 1, maxLength: 6 }), value, fc.boolean()), {
  minLength: 1,
  maxLength: 2,
})

function lieIn(whole: object, steps: readonly number[], value: unknown, isMore: boolean): void {
  let at = whole as Record<string, unknown>
  for (const [n, step] of steps.entries()) {
    const keys = Object.keys(at)
    if (keys.length === 0) return
    const key = keys[step % keys.length]!
    const next = at[key]
    if (n < steps.length - 1 && typeof next === 'object' && next !== null) {
      at = next as Record<string, unknown>
      continue
    }
    // One character of a text, or all of it.
    if (typeof next === 'string' && typeof value === 'string' && next.length > 0 && isMore)
      at[key] = next.slice(0, step % next.length) + value + next.slice((step % next.length) + 1)
    else if (Array.isArray(at) && isMore) at.splice(Number(key), 0, value)
    else at[key] = value
    return
  }
}

test('whatever an index says, its archive is refused by an error that names it, or extracted, and nothing outside of the copy changes', async (context) => {
  const folder = temporaryFolder(context)
  const { archive } = await smallArchive(context, `${folder}/env.tar.zst`, [ORIGINAL], TREE)
  const good = readFileSync(archive)
  mkdirSync(`${folder}/outside`)
  writeFileSync(`${folder}/outside/file`, 'mine')
  let extracted = 0
  await fc.assert(
    fc.asyncProperty(lies, fc.constantFrom(80, 100), async (all, length) => {
      writeFileSync(archive, good)
      forge(archive, (parts) => {
        for (const [steps, value, isMore] of all) lieIn({ ...parts.columns, head: parts.head }, steps, value, isMore)
        return undefined
      })
      const handle = await open(archive)
      const before = await listing(`${folder}/outside`)
      const prefix = newPrefix(folder, length)
      try {
        const index = await readIndex(archive, handle)
        // It would take a second for each.
        if (extracted < 40) {
          extracted++
          await extract({ archive, fd: handle.fd, index, prefix, readOnly: true, threads: 1 })
        }
      } catch (error) {
        if (!(error instanceof StageError)) throw error
        assert.ok(error.message.includes(folder), error.message)
        assert.deepEqual(readdirSync(dirname(prefix)), [])
      } finally {
        await handle.close()
        await removeTree(dirname(prefix))
      }
      assert.deepEqual(readdirSync(folder).sort(), ['env.tar.zst', 'outside'])
      assert.deepEqual(await listing(`${folder}/outside`), before)
    }),
    { numRuns: 800 },
  )
  assert.ok(extracted > 10, `only ${extracted} were extracted`)
})
