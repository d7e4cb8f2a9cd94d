import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { FRAME_ENOUGH, FRAME_SIZE } from '../../src/archive/format.ts'
import { readIndex } from '../../src/archive/reader.ts'
import { BytesAhead } from '../../src/archive/reuse/bytes-ahead.ts'
import { OldArchive } from '../../src/archive/reuse/old-archive.ts'
import { planReuse, type ReusePlan } from '../../src/archive/reuse/plan.ts'
import { tarHeader, tarHeaderSize } from '../../src/archive/tar.ts'
import { unchangedFiles } from '../../src/inventory/unchanged.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import {
  contentsOf,
  directory,
  each,
  expectedListing,
  file,
  hardlink,
  hardTree,
  listing,
  pack,
  run,
  symlink,
  TAR_FORMATS,
  workFolder,
} from './support.ts'

const MiB = 1024 * 1024
const noise = randomBytes(20 * MiB)
/** So many random bytes, the same at each call. Another seed gives others. */
const content = (size: number, seed = 0) => noise.subarray(seed, seed + size)

interface Repacked {
  old: { path: string; index: ArchiveIndex }
  new: { path: string; index: ArchiveIndex }
  plan: ReusePlan
}

/** Packs `before`, then `after` with the contents that the first archive still holds, as the pipeline does. */
async function repack(
  folder: string,
  format: string,
  [before, after]: [readonly ArchiveItem[], readonly ArchiveItem[]],
): Promise<Repacked> {
  const old = `${folder}/old.${format}`
  const path = `${folder}/new.${format}`
  await pack(old, before, { level: 1 })
  const index = await readIndex(old)
  const entries = after.map(({ entry }) => entry)
  const unchanged = unchangedFiles(index.entries, entries)
  const plan = planReuse(index, unchanged)
  const handle = await open(old)
  try {
    const ahead = format === 'tar.zst' ? { ahead: new BytesAhead(handle) } : {}
    const archive = new OldArchive(handle, { path: old, index, ...ahead })
    const others = plan.others.map((one) => archive.item(one))
    const items = [...others, ...after.filter(({ entry }) => !unchanged.has(entry.path))]
    const reused = { files: plan.carried, frames: archive.frames(plan.frames) }
    await pack(path, items, { level: 1, reused, items: each(items) })
  } finally {
    await handle.close()
  }
  return { old: { path: old, index }, new: { path, index: await readIndex(path) }, plan }
}

/** The frames of the old archive that the new one has byte for byte, by number: `old>new`. */
async function copiedFrames({ old, new: now }: Repacked): Promise<string[]> {
  const [before, after] = await Promise.all([readFile(old.path), readFile(now.path)])
  const bytes = (file: Buffer, { frames }: ArchiveIndex) =>
    frames.map(({ offset, compressedSize }) => file.subarray(offset, offset + compressedSize))
  const there = bytes(after, now.index)
  return bytes(before, old.index).flatMap((frame, at) => {
    const found = there.findIndex((other) => other.equals(frame))
    return found === -1 ? [] : [`${at}>${found}`]
  })
}

/** Checks by index, frames and plain tar that the archive holds `items` and nothing else. */
async function holds(context: TestContext, { new: { path, index } }: Repacked, items: readonly ArchiveItem[]) {
  assert.deepEqual(
    index.entries.map((entry) => entry.path),
    items.map(({ entry }) => entry.path).sort(),
  )
  const contents = contentsOf(path, index)
  for (const { entry, content } of items)
    if (entry.type === 'file') assert.ok(contents.get(entry.path)!.equals(content!.chunks as Buffer), entry.path)
  const target = `${await workFolder(context)}/x`
  await mkdir(target)
  await run('tar', ['-xpf', path, '-C', target])
  assert.deepEqual(await listing(target), expectedListing(items))
}

/** Frame 0 has a and b; 1, 2 and 3 have the large file, with c behind its end; 4 has d. */
const usual = () => [
  directory(''),
  file('a', content(MiB)),
  file('b', content(2 * MiB)),
  file('large', content(10 * MiB, 1)),
  file('c', content(MiB, 2)),
  file('d', content(2 * MiB, 3)),
]

const replaced = (items: ArchiveItem[], ...others: ArchiveItem[]) =>
  items.map((item) => others.find(({ entry }) => entry.path === item.entry.path) ?? item)
const without = (items: ArchiveItem[], path: string) => items.filter(({ entry }) => entry.path !== path)

async function consume(pieces: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pieces);
}

interface Case {
  before?: ArchiveItem[]
  after: ArchiveItem[]
  copied: string[]
  /** Frames put together from parts of old ones. */
  parts?: number
}

const later = { mtimeNs: 1_800_000_000_123_456_789n }

const CASES: Record<string, Case> = {
  'if nothing but a folder was touched, every frame of files is copied': {
    after: replaced(usual(), directory('', later)),
    copied: ['0>0', '1>1', '2>2', '3>3', '4>4'],
  },
  'if one small file has other content, only its frame is made anew': {
    after: replaced(usual(), file('b', content(2 * MiB, 9), later)),
    copied: ['1>0', '2>1', '3>2', '4>3'],
  },
  'if a file has another mode, its frame is made anew': {
    after: replaced(usual(), file('a', content(MiB), { mode: 0o755 })),
    copied: ['1>0', '2>1', '3>2', '4>3'],
  },
  'if a file has another mtime, its frame is made anew': {
    after: replaced(usual(), file('a', content(MiB), later)),
    copied: ['1>0', '2>1', '3>2', '4>3'],
  },
  'if a file was removed, its frame is made anew': {
    after: without(usual(), 'd'),
    copied: ['0>0', '1>1', '2>2', '3>3'],
  },
  'if a file was renamed, its frame is made anew': {
    after: [...without(usual(), 'a'), file('e', content(MiB))],
    copied: ['1>0', '2>1', '3>2', '4>3'],
  },
  'if a large file changed, every frame that holds a part of it is made anew': {
    after: replaced(usual(), file('large', content(10 * MiB, 7), later)),
    copied: ['0>0', '4>1'],
  },
  'if the file behind the end of a large file changed, the large file is copied except for its end': {
    after: replaced(usual(), file('c', content(MiB, 8), later)),
    copied: ['0>0', '1>1', '2>2', '4>4'],
    parts: 1,
  },
  'if the file before the beginning of a large file changed, the large file is copied except for its beginning': {
    before: [directory(''), file('a', content(MiB / 2)), file('large', content(10 * MiB, 1)), file('d', content(MiB))],
    after: [
      directory(''),
      file('a', content(MiB / 2, 1), later),
      file('large', content(10 * MiB, 1)),
      file('d', content(MiB)),
    ],
    copied: ['1>1', '2>2'],
    parts: 1,
  },
  'if a file became a symbolic link, and another a folder, their frames are made anew': {
    after: [
      ...replaced(usual(), symlink('a', 'large'), directory('d')),
      file('d/x', 'a file in what was a file', later),
    ],
    copied: ['1>0', '2>1', '3>2'],
  },
  'if an unchanged file got a hard link, every frame is copied': {
    after: [...usual(), hardlink('z', 'large')],
    copied: ['0>0', '1>1', '2>2', '3>3', '4>4'],
  },
  'if a file of two names lost the first, its content comes under the other': {
    before: [...usual(), hardlink('z', 'd')],
    after: [...without(usual(), 'd'), file('z', content(2 * MiB, 3))],
    copied: ['0>0', '1>1', '2>2', '3>3'],
  },
  'if a file is new, every frame is copied': {
    after: [...usual(), file('new', content(3 * MiB, 5))],
    copied: ['0>0', '1>1', '2>2', '3>3', '4>4'],
  },
  'if everything changed, no frame is copied': {
    after: usual().map((item) =>
      item.entry.type === 'file' ? file(item.entry.path, content(item.entry.size, 77), later) : item,
    ),
    copied: [],
  },
  'a small last frame is not copied, so that small frames do not pile up': {
    before: [directory(''), file('a', content(4 * MiB - 512)), file('b', content(FRAME_ENOUGH / 2))],
    after: [directory(''), file('a', content(4 * MiB - 512)), file('b', content(FRAME_ENOUGH / 2)), file('new', 'x')],
    copied: ['0>0'],
  },
}

for (const format of TAR_FORMATS) {
  // For most cases, one format is enough.
  const cases = Object.entries(CASES).filter(([, { parts }]) => format === 'tar.zst' || parts)
  for (const [what, { before = usual(), after, copied, parts = 0 }] of cases) {
    test(`in a repacked ${format}, ${what}`, async (context) => {
      const repacked = await repack(await workFolder(context), format, [before, after])
      // The last frames hold links and folders. They may be the same by chance.
      const ofFiles = (await copiedFrames(repacked)).filter((one) => repacked.plan.frames[Number(one.split('>')[1])])
      assert.deepEqual(ofFiles, copied)
      assert.equal(repacked.plan.frames.filter((frame) => frame.parts).length, parts)
      await holds(context, repacked, after)
    })
  }
}

test('a file in a copied frame has its place, digest and relocation in the new index', async (context) => {
  const relocation = { kind: 'text' as const, occurrences: [{ offset: 3, prefix: 0, encoding: 'utf8' as const }] }
  const before = [directory(''), file('b', content(FRAME_SIZE - 512)), file('c', content(3 * MiB, 4), { relocation })]
  const after = [...before, file('a', 'new')]
  const { old, new: now } = await repack(await workFolder(context), 'tar.zst', [before, after])
  const facts = ({ entries }: ArchiveIndex, path: string) => entries.find((entry) => entry.path === path)
  for (const path of ['b', 'c']) assert.deepEqual(facts(now.index, path), facts(old.index, path))
})

test('after a hundred repacks with small changes, the archive has as few frames as one packed from nothing', async (context) => {
  const folder = await workFolder(context)
  let items = [directory(''), ...Array.from({ length: 40 }, (_, at) => file(`f${at}`, content(MiB / 4, at)))]
  let old = `${folder}/0.tar.zst`
  await pack(old, items, { level: 1 })
  for (let round = 1; round <= 100; round++) {
    const path = `f${(round * 7) % 40}`
    items = replaced(items, file(path, content(MiB / 4, 1000 + round), { mtimeNs: BigInt(round) }))
    const index = await readIndex(old)
    const unchanged = unchangedFiles(
      index.entries,
      items.map(({ entry }) => entry),
    )
    const plan = planReuse(index, unchanged)
    const handle = await open(old)
    const archive = new OldArchive(handle, { path: old, index })
    const next = [
      ...plan.others.map((one) => archive.item(one)),
      ...items.filter(({ entry }) => !unchanged.has(entry.path)),
    ]
    const path2 = `${folder}/${round}.tar.zst`
    await pack(path2, next, { level: 1, reused: { files: plan.carried, frames: archive.frames(plan.frames) } })
    await handle.close()
    old = path2
  }
  const { frames } = await readIndex(old)
  assert.ok(frames.length <= 8, `${frames.length} frames of ${frames.map(({ size }) => size)}`)
  const contents = contentsOf(old, await readIndex(old))
  for (const { entry, content } of items)
    if (entry.type === 'file') assert.ok(contents.get(entry.path)!.equals(content!.chunks as Buffer))
})

test('a frame with a member that the index does not know is not copied', async (context) => {
  const folder = await workFolder(context)
  const items = [directory(''), file('a', content(2 * MiB)), file('b', content(MiB, 3))]
  await pack(`${folder}/x.tar.zst`, items, { level: 1 })
  const index = await readIndex(`${folder}/x.tar.zst`)
  const unchanged = unchangedFiles(
    index.entries,
    items.map(({ entry }) => entry),
  )
  assert.equal(planReuse(index, unchanged).frames.length, 1)
  const hidden = { ...index, entries: index.entries.filter(({ path }) => path !== 'a') }
  assert.deepEqual(planReuse(hidden, unchanged).frames, [])
})

test('a damaged frame of the old archive is reported, neither copied nor read', async (context) => {
  const folder = await workFolder(context)
  const items = [directory(''), file('a', content(3 * MiB)), file('b', content(3 * MiB, 1))]
  for (const format of TAR_FORMATS) {
    const path = `${folder}/x.${format}`
    await pack(path, items, { level: 1 })
    const index = await readIndex(path)
    const handle = await open(path, 'r+')
    const { offset } = index.frames[1]!
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, offset + 100_000)
    await handle.write(Buffer.from([byte[0]! ^ 1]), 0, 1, offset + 100_000)
    const archive = new OldArchive(handle, { path, index })
    const plan = index.frames.map((frame) => ({ frame }))
    await assert.rejects(consume(archive.frames(plan)), { code: 'ARCHIVE_DAMAGED' })
    await assert.rejects(consume(archive.frames([{ frame: plan[1]!.frame, parts: [{ from: 0, to: 512 }] }])), {
      code: 'ARCHIVE_DAMAGED',
    })
    const b = index.entries.find((entry) => entry.type === 'file' && entry.path === 'b')
    assert.ok(b?.type === 'file')
    const chunks = archive.item(b).content!.chunks as AsyncIterable<Buffer>
    await assert.rejects(consume(chunks), { code: 'ARCHIVE_DAMAGED' })
    const ahead = new OldArchive(handle, { path, index, ahead: new BytesAhead(handle) })
    await assert.rejects(consume(ahead.frames(plan)), { code: 'ARCHIVE_DAMAGED' })
    await handle.truncate(offset)
    await assert.rejects(consume(archive.frames(plan)), { code: 'ARCHIVE_DAMAGED' })
    await handle.close()
  }
})

test('an old archive can be closed while it is still being read ahead', async (context) => {
  const path = `${await workFolder(context)}/x.tar.zst`
  await pack(path, [directory(''), ...Array.from({ length: 6 }, (_, at) => file(`f${at}`, content(3 * MiB, at)))])
  const handle = await open(path)
  const ahead = new BytesAhead(handle)
  await handle.close()
  ahead.stop()
})

test('reading ahead gives exactly the bytes asked for, over ends of blocks too, or none if the file does not have them all', async (context) => {
  const path = `${await workFolder(context)}/file`
  const bytes = content(7 * MiB + 12_345)
  await writeFile(path, bytes)
  const handle = await open(path)
  const ahead = new BytesAhead(handle)
  for (const [offset, size] of [
    [0, 10],
    [5, 0],
    [100, 2 * MiB],
    [MiB - 1, 2],
    [2 * MiB, MiB],
    [3 * MiB + 7, 4 * MiB],
    [7 * MiB, 12_345],
  ] as const)
    assert.ok((await ahead.take(offset, size))?.equals(bytes.subarray(offset, offset + size)), `${offset} ${size}`)
  for (const [offset, size] of [
    [7 * MiB, 12_346],
    [7 * MiB + 12_345, 1],
    [9 * MiB, 10],
    [0, 10],
  ] as const)
    assert.equal(await ahead.take(offset, size), undefined, `${offset} ${size}`)
  await handle.close()
})

test('a file of the old archive whose bytes do not match its digest is not reused', async (context) => {
  const path = `${await workFolder(context)}/x.tar.zst`
  await pack(path, [directory(''), file('a', 'text')])
  const index = await readIndex(path)
  const a = index.entries[1]!
  assert.ok(a.type === 'file')
  const handle = await open(path)
  const other = new OldArchive(handle, { path, index }).item({ ...a, digest: '0'.repeat(32) })
  await assert.rejects(consume(other.content!.chunks as AsyncIterable<Buffer>), { code: 'ARCHIVE_DAMAGED' })
  await handle.close()
})

test('the computed size of a tar header is the size of the header', () => {
  const items = [...hardTree(), file('huge', '', { size: 2 ** 40 }), file('ä'.repeat(90), '')]
  for (const { entry } of items)
    for (const root of ['', 'folder'])
      assert.equal(tarHeaderSize(entry, root), tarHeader(entry, root).length, entry.path)
})
