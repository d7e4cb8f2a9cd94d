import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { writeArchive } from '../../src/archive/writer.ts'
import { listTree } from '../../src/inventory/list.ts'
import { readItems } from '../../src/inventory/read.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import type { ArchiveItem, FramePiece, PackedFrame } from '../../src/model/item.ts'
import type { Listed, ListedName } from '../../src/model/listed.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { packedItems } from '../../src/workers/packed-items.ts'
import { FrameWorkers } from '../../src/workers/pool.ts'
import { Runs } from '../../src/workers/runs.ts'
import { contentsOf, HEADER, run, workFolder } from '../archive/support.ts'
import { NONE } from '../inventory/prefix.ts'
import { RandomTree } from '../pipeline/random-tree.ts'
import { generator } from '../relocate/helpers.ts'

const MIB = 1024 * 1024
const NOISE = randomBytes(8 * MIB)

/** Enough for a few runs of small files, of which some (one of so many) are further names of others. */
function smallFiles(prefix: string, seed: number, links = 8): void {
  const number = generator(seed)
  mkdirSync(join(prefix, 'lib/many'), { recursive: true })
  for (let file = 0; file < 300; file++) {
    const path = join(prefix, 'lib/many', `f${file}`)
    if (file > 0 && number(links) === 0) linkSync(join(prefix, 'lib/many', `f${number(file)}`), path)
    else {
      const start = number(4 * MIB)
      const content = NOISE.subarray(start, start + number(number(10) === 0 ? 2 * MIB : 40_000))
      writeFileSync(path, number(4) === 0 ? Buffer.concat([Buffer.from(`${prefix}/lib\0`), content]) : content)
    }
  }
}

/** As if made long ago: what changed just now is not believed. */
function age(folder: string): void {
  for (const found of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (!found.isSymbolicLink()) utimesSync(join(found.parentPath, found.name), 1e9, 1e9)
  utimesSync(folder, 1e9, 1e9)
}

const makeScanner = (prefix: string) => (entry: ListedName & { size: number }) => new PrefixScanner([prefix], entry)

interface Packing {
  threads?: number
  format?: 'tar.zst' | 'tar.gz'
  /** Folder in the archive. */
  root?: string
  /** What conda's records are said to list. */
  recorded?: ListedName[]
  /** Done when the recorded files were packed, before the folders are listed. */
  meanwhile?(): void
  takeFrame?(content: Buffer, pieces: FramePiece[]): Promise<void>
  onItem?(item: ArchiveItem | PackedFrame): void
}

async function list(prefix: string): Promise<Listed[]> {
  return (await listTree({ prefix }, { isExcluded: NONE })).entries
}

/** Packs in runs; `files` are the paths that workers were asked for, each time. */
async function packInRuns(t: TestContext, prefix: string, packing: Packing = {}) {
  const { threads = 2, format = 'tar.zst', root = '', recorded, meanwhile, takeFrame, onItem } = packing
  const path = join(await workFolder(t), `runs.${format}`)
  const workers = new FrameWorkers(threads)
  const files: string[] = []
  const underWay: Promise<unknown>[] = []
  const pack: FrameWorkers['pack'] = (order) => {
    files.push(...order.files.map((file) => file.path))
    const packed = workers.pack(order)
    underWay.push(packed)
    return packed
  }
  const options = { threads, prefix, prefixes: [prefix], root, format, level: 3 }
  const runs = new Runs({ ...options, workers: { pack }, shareContent: takeFrame !== undefined })
  try {
    if (recorded) runs.beginEarly(recorded)
    if (meanwhile) {
      await Promise.allSettled(underWay)
      meanwhile()
    }
    const entries = await list(prefix)
    const items = packedItems({ prefix }, entries, { runs, read: { makeScanner: makeScanner(prefix) as never } })
    async function* seen() {
      for await (const item of items) {
        onItem?.(item)
        yield item
      }
    }
    const { index } = await writeArchive({
      path,
      format,
      root,
      threads,
      header: { ...HEADER, prefixes: [prefix] },
      items: seen(),
      ...(takeFrame && { takeFrame }),
    })
    return { path, index, files }
  } finally {
    await workers.end()
  }
}

async function packOneByOne(t: TestContext, prefix: string): Promise<{ path: string; index: ArchiveIndex }> {
  const path = join(await workFolder(t), 'one-by-one.tar.zst')
  const items = readItems({ prefix }, await list(prefix), { makeScanner: makeScanner(prefix) as never })
  const header = { ...HEADER, prefixes: [prefix] }
  const { index } = await writeArchive({ path, format: 'tar.zst', threads: 2, header, items })
  return { path, index }
}

/** What is known of each thing, wherever it lies in the archive. */
const facts = ({ entries }: ArchiveIndex) =>
  entries.map((entry) => (entry.type === 'file' ? { ...entry, frame: 0, frameOffset: 0 } : entry))

test('threads that pack files of their own find what one thread finds that reads them all, and tar unpacks it', async (t) => {
  for (const seed of [1, 2]) {
    const prefix = await workFolder(t)
    new RandomTree(prefix, seed)
    smallFiles(prefix, seed)
    const expected = await packOneByOne(t, prefix)
    for (const threads of [1, 2, 64]) {
      const { path, index } = await packInRuns(t, prefix, { threads })
      assert.deepEqual(facts(index), facts(expected.index))
      assert.deepEqual(contentsOf(path, index), contentsOf(expected.path, expected.index))
      if (threads !== 2) continue
      const unpacked = await workFolder(t)
      await run('tar', ['-C', unpacked, '-I', 'zstd', '-xf', path])
      await run('diff', ['-r', '--no-dereference', prefix, unpacked])
    }
  }
})

test('they write other formats too, and below a folder', async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 5)
  const { path } = await packInRuns(t, prefix, { format: 'tar.gz', root: 'env/name' })
  const unpacked = await workFolder(t)
  await run('tar', ['-C', unpacked, '-xzf', path])
  await run('diff', ['-r', '--no-dereference', prefix, join(unpacked, 'env/name')])
})

test('a stage that is written on the way gets each byte of each file once', async (t) => {
  const prefix = await workFolder(t)
  new RandomTree(prefix, 1)
  smallFiles(prefix, 1)
  const taken = new Map<string, Buffer[]>()
  const { path, index } = await packInRuns(t, prefix, {
    async takeFrame(content, pieces) {
      assert.ok(content.buffer instanceof SharedArrayBuffer)
      // It is valid until this has resolved, whatever is packed meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 20))
      for (const { file, frameOffset, length } of pieces) {
        const piece = Buffer.from(content.subarray(frameOffset, frameOffset + length))
        taken.set(file.path, [...(taken.get(file.path) ?? []), piece])
      }
    },
  })
  const files = new Map([...taken].map(([name, pieces]) => [name, Buffer.concat(pieces)]))
  const hardlinks = new Set(index.entries.flatMap((entry) => (entry.type === 'hardlink' ? [entry.path] : [])))
  const contents = [...contentsOf(path, index)].filter(([name]) => !hardlinks.has(name))
  assert.deepEqual(files, new Map(contents))
})

test('what the records list is packed once, and what they have wrong is packed as it is', async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 7, Number.MAX_SAFE_INTEGER)
  writeFileSync(join(prefix, 'lib/many/unrecorded'), 'not in a record')
  writeFileSync(join(prefix, 'lib/large'), NOISE)
  symlinkSync('f1', join(prefix, 'lib/many/link'))
  symlinkSync('many', join(prefix, 'lib/alias'))
  age(prefix)
  const real = (await list(prefix)).flatMap((entry): ListedName[] => {
    return entry.type === 'file' ? [{ ...entry, recordedSize: statSync(join(prefix, entry.path)).size }] : []
  })
  const sound = real.filter(({ path }) => path !== 'lib/many/unrecorded')
  const expected = await packOneByOne(t, prefix)

  const right = await packInRuns(t, prefix, { recorded: sound })
  assert.deepEqual(facts(right.index), facts(expected.index))
  // Again only what a frame did not have room for.
  const again = right.files.length - new Set(right.files).size
  assert.ok(again < right.files.length / 4, `${again} of ${right.files.length} were packed again`)

  const wrong = ['lib/many/link', 'lib/alias/f2', 'lib/many', 'lib/many/gone', 'lib/many/f1/below', 'lib/many/\u00e9']
  const recorded = [...sound, ...wrong.map((path): ListedName => ({ type: 'file', path }))]
  recorded.sort((a, b) => (a.path < b.path ? -1 : 1))
  const { path, index } = await packInRuns(t, prefix, { recorded })
  assert.deepEqual(facts(index), facts(expected.index))
  assert.deepEqual(contentsOf(path, index), contentsOf(expected.path, expected.index))
})

test('what was packed early of a folder that changed before it was listed is packed as it is now', async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 8)
  age(prefix)
  const recorded = (await list(prefix)).filter((entry): entry is ListedName => entry.type === 'file')
  const { index, path } = await packInRuns(t, prefix, {
    recorded,
    meanwhile() {
      writeFileSync(join(prefix, 'new'), 'another')
      renameSync(join(prefix, 'new'), join(prefix, 'lib/many/f0'))
    },
  })
  assert.equal(String(contentsOf(path, index).get('lib/many/f0')), 'another')
})

test('a file that vanished since it was listed is told, but not one that programs make and remove at any time', async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 9)
  mkdirSync(join(prefix, 'lib/many/__pycache__'))
  writeFileSync(join(prefix, 'lib/many/__pycache__/a.pyc'), 'compiled')
  const entries = await list(prefix)
  const pack = async (): Promise<string[]> => {
    const workers = new FrameWorkers(2)
    const options = { workers, threads: 2, prefix, prefixes: [prefix], root: '', level: 3, shareContent: false }
    const runs = new Runs({ ...options, format: 'tar.zst' })
    const paths: string[] = []
    try {
      for await (const item of packedItems({ prefix }, entries, {
        runs,
        read: { makeScanner: makeScanner(prefix) as never },
      }))
        if ('stored' in item) paths.push(...item.files.map(({ path }) => path))
      return paths
    } finally {
      await workers.end()
    }
  }
  unlinkSync(join(prefix, 'lib/many/__pycache__/a.pyc'))
  const paths = await pack()
  assert.ok(paths.includes('lib/many/f0') && !paths.includes('lib/many/__pycache__/a.pyc'))
  unlinkSync(join(prefix, 'lib/many/f0'))
  await assert.rejects(pack(), { code: 'CHANGED', path: join(prefix, 'lib/many/f0') })
})

test('where the file system turns out to be slow, the rest is read with many requests at once', {
  skip: slowfsUnavailable() ?? false,
}, async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 10)
  age(prefix)
  const expected = await packOneByOne(t, prefix)
  const mount = await mountSlow(prefix, prefix, { latencyMs: 3, bandwidthMb: 0, validSeconds: 3600 })
  try {
    const inRuns = new Set<string>()
    const { path, index } = await packInRuns(t, prefix, {
      onItem: (item) => 'stored' in item && item.files.forEach((file) => void inRuns.add(file.path)),
    })
    assert.ok(inRuns.size < 40, `${inRuns.size} files were packed in runs`)
    // As many as libuv's pool allows, which only the program makes larger.
    assert.ok((await mount.counters()).maxInFlight! >= 4)
    assert.deepEqual(facts(index), facts(expected.index))
    assert.deepEqual(contentsOf(path, index), contentsOf(expected.path, expected.index))
  } finally {
    await mount.unmount()
  }
})
