import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import { fsPath } from '../../src/model/byte-path.ts'
import { stageOf, world } from '../cli/world.ts'
import { expectedListing, FORMATS, hardTree, listing, pack, run, workFolder } from './support.ts'

const READER = join(import.meta.dirname, 'reader.py')

for (const format of FORMATS)
  test(`sixty lines of Python that follow docs/archive-format.md extract a ${format} whole`, async (context) => {
    const folder = await workFolder(context)
    const items = hardTree()
    await pack(`${folder}/demo.${format}`, items)
    await run('python3', [READER, `${folder}/demo.${format}`, `${folder}/x`])
    assert.deepEqual(await listing(`${folder}/x`), expectedListing(items))
  })

test('the same lines relocate what they extract, as conda-stage does', async (context) => {
  const { root, prefix, archive, ...rest } = await world(context)
  const copy = await stageOf({ root, prefix, archive, ...rest })
  assert.equal(copy.length, prefix.length)
  await run('python3', [READER, archive, join(root, 'x'), copy])
  const relocated: string[] = []
  const index = await readIndex(archive)
  for (const entry of index.entries) {
    if (entry.type !== 'file') continue
    const [ours, theirs] = [copy, join(root, 'x')].map((folder) => readFileSync(fsPath(folder, entry.path)))
    assert.ok(ours!.equals(theirs!), entry.path)
    if (theirs!.includes(copy)) relocated.push(entry.path)
  }
  assert.ok(relocated.length > 5, `${relocated}`)
})

test('those lines are no more than sixty, without their description', () => {
  const lines = readFileSync(READER, 'utf8').split('\n').slice(2).filter(Boolean)
  assert.ok(lines.length <= 60, `${lines.length}`)
})
