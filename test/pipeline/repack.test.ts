/**
 * Packs what has changed. Random changes are others in each run: CONDA_STAGE_TEST_SEED repeats one, CONDA_STAGE_TEST_TREES sets how
 * many environments are changed.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import { type PackOptions, type ProgressEvent, pack } from '../../src/index.ts'
import type { ArchivedEntry, ArchiveIndex } from '../../src/model/archive-index.ts'
import { contentsOf, digestOf, listing, pack as packItems, run, workFolder } from '../archive/support.ts'
import { RandomTree } from './random-tree.ts'

interface Place {
  root: string
  prefix: string
  archive: string
  tree: RandomTree
}

async function place(context: TestContext, seed: number): Promise<Place> {
  const root = await workFolder(context)
  const prefix = `${root}/env`
  return { root, prefix, archive: `${prefix}.tar.zst`, tree: new RandomTree(prefix, seed) }
}

/** Packs, and returns all messages with the result. */
async function packed({ root, prefix }: Place, more: Partial<PackOptions> = {}) {
  const events: ProgressEvent[] = []
  const onProgress = (event: ProgressEvent) => void events.push(event)
  const result = await pack({ prefix, env: { HOME: root }, cwd: '/', onProgress, ...more })
  const messages = events.flatMap((event) => ('message' in event ? [event.message] : []))
  const numbers = messages
    .map((text) => /^Reused (\d+) of (\d+) frames .* (\d+) of (\d+) files$/.exec(text))
    .find(Boolean)
  const [reused, frames, read, files] = numbers?.slice(1).map(Number) ?? []
  return { ...result, events, messages, reused, frames, read, files }
}

/** The index's facts about each entry, except where in the archive its content is. */
function facts({ entries }: ArchiveIndex) {
  const names = new Map<string, string[]>()
  for (const entry of entries) {
    const target = entry.type === 'hardlink' ? entry.target : entry.path
    if (entry.type === 'file' || entry.type === 'hardlink')
      names.set(target, [...(names.get(target) ?? []), entry.path])
  }
  const files = new Map(entries.map((entry) => [entry.path, entry]))
  const factsOf = (entry: ArchivedEntry): unknown => {
    const { path, mode, mtimeNs } = entry
    if (entry.type === 'directory') return { path, mode, mtimeNs }
    if (entry.type === 'symlink') return { path, mtimeNs, target: entry.target }
    const target = entry.type === 'hardlink' ? entry.target : path
    const file = files.get(target)
    assert.ok(file?.type === 'file')
    const { size, digest, relocation } = file
    const same = names.get(target)!.sort()
    // A file with several names may be listed under the record of any of them.
    return { path, mode, mtimeNs, size, digest, relocation, same, package: same.length === 1 && file.package }
  }
  return entries.map(factsOf)
}

/** The tree that plain tar extracts, without the scripts for people who unpack it by hand. */
async function unpacked(archive: string, folder: string): Promise<string[]> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  await run('tar', ['-xpf', archive, '-C', folder])
  const besides = /^"(bin\/(activate(\.fish)?|deactivate|conda-unpack)|conda-meta\/conda-stage-prefixes)" /
  return (await listing(folder)).filter((line) => !besides.test(line))
}

/** The archive equals one that is packed from nothing: in its index, its frames, and what plain tar extracts. */
async function isAsFromNothing(at: Place, archive = at.archive): Promise<void> {
  const other = `${at.root}/other${archive.slice(archive.indexOf('.tar'))}`
  await packed(at, { output: other, force: true })
  const [index, expected] = await Promise.all([readIndex(archive), readIndex(other)])
  assert.deepEqual(facts(index), facts(expected))
  for (const [path, content] of contentsOf(archive, index)) {
    const entry = index.entries.find((one) => one.path === path)
    assert.ok(entry?.type === 'file' && entry.digest === digestOf(content), path)
  }
  const original = await listing(at.prefix)
  assert.deepEqual(await unpacked(archive, `${at.root}/unpacked`), original)
  rmSync(other)
}

const FIRST_SEED = Number(process.env.CONDA_STAGE_TEST_SEED) || Date.now() % 2 ** 31
const TREES = Number(process.env.CONDA_STAGE_TEST_TREES) || 2

for (const check of ['quick', 'full'] as const) {
  test(`after any changes that the ${check} check sees, a repacked archive equals one that is packed from nothing`, async (context) => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + TREES; seed++) {
      await context.test(`seed ${seed}`, async (inner) => {
        const at = await place(inner, seed)
        await packed(at)
        for (let round = 0; round < 4; round++) {
          for (let count = 0; count < 5; count++) at.tree.change(check === 'full')
          at.tree.note()
          const { reused, fresh } = await packed(at, { check })
          assert.ok(reused !== undefined && !fresh, 'it was packed from nothing')
          await isAsFromNothing(at)
        }
      })
    }
  })
}

for (const format of ['tar.gz', 'tar'] as const) {
  test(`a repacked ${format} archive equals one that is packed from nothing`, async (context) => {
    const at = await place(context, 7)
    const archive = `${at.prefix}.${format}`
    await packed(at, { format })
    for (let count = 0; count < 5; count++) at.tree.change(false)
    at.tree.note()
    assert.ok((await packed(at, { format })).reused! > 0)
    await isAsFromNothing(at, archive)
  })
}

test('a repack reads only what changed, and says how much that is', async (context) => {
  const at = await place(context, 8)
  await packed(at)
  at.tree.note()
  const { read, files, reused, frames, events, bytes } = await packed(at)
  assert.equal(read, 1)
  const totals = events.findLast((event) => event.kind === 'progress')!
  assert.deepEqual([totals.files, totals.totalFiles], [files, files])
  assert.equal(totals.bytes, totals.totalBytes)
  assert.ok(reused! > 0 && reused! < frames!)
  assert.equal(bytes, statSync(at.archive).size)
})

/** Nothing of the old archive is reused, and the new one is right. */
const FROM_NOTHING: Record<string, { first?: Partial<PackOptions>; second?: Partial<PackOptions> }> = {
  'with --force': { second: { force: true } },
  'at another level': { second: { compressLevel: 1 } },
  'from an archive that left something out': { first: { filters: [{ kind: 'exclude', pattern: 'share/*' }] } },
  'from an archive that has the environment in a folder': { first: { arcroot: 'folder' } },
  'as a zip': { first: { format: 'zip' }, second: { format: 'zip' } },
}

for (const [what, { first = {}, second = {} }] of Object.entries(FROM_NOTHING)) {
  test(`nothing of the old archive is reused ${what}`, async (context) => {
    const at = await place(context, 9)
    const output = `${at.root}/archive.${second.format ?? 'tar.zst'}`
    await packed(at, { output, ...first })
    at.tree.note()
    const { reused, fresh } = await packed(at, { output, ...second })
    assert.deepEqual([reused, fresh], [undefined, false])
    if (second.format !== 'zip') await isAsFromNothing(at, output)
  })
}

test('nothing is reused from an archive that another version of the program wrote', async (context) => {
  const at = await place(context, 10)
  await packed(at)
  const { entries, ...header } = await readIndex(at.archive)
  const contents = contentsOf(at.archive, { entries, ...header })
  const items = entries.map((entry) => {
    if (entry.type !== 'file') return { entry }
    return { entry, content: { chunks: contents.get(entry.path)!, facts: () => ({ digest: entry.digest }) } }
  })
  rmSync(at.archive)
  await packItems(at.archive, items, { header: { ...header, generator: 'conda-stage 0.0.0' } })
  at.tree.note()
  assert.equal((await packed(at)).reused, undefined)
  await isAsFromNothing(at)
})

test('a repack reports a damaged old archive, and no damage gets into the new one', async (context) => {
  const at = await place(context, 11)
  await packed(at)
  const whole = readFileSync(at.archive)
  const { frames } = await readIndex(at.archive)
  at.tree.note()
  const places = frames.slice(0, -1).map(({ offset, compressedSize }) => offset + (compressedSize >> 1))
  assert.ok(places.length >= 3)
  let reports = 0
  // The first frame, the last, and one between them that is another in each run.
  const between = 1 + (FIRST_SEED % (places.length - 2))
  const damages = [places[0]!, places[between]!, places.at(-1)!]
  for (const place of damages) {
    const damaged = Buffer.from(whole)
    damaged[place]! ^= 0x10
    writeFileSync(at.archive, damaged)
    const { messages, fresh } = await packed(at)
    assert.equal(fresh, false)
    if (messages.some((text) => /is damaged: .* Reading the whole environment instead$/.test(text))) reports++
    await isAsFromNothing(at)
  }
  assert.equal(reports, damages.length)
})
