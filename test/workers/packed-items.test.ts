import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { writeArchive } from '../../src/archive/writer.ts'
import { listTree } from '../../src/inventory/list.ts'
import { type ReadOptions, readItems } from '../../src/inventory/read.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import type { FramePiece } from '../../src/model/item.ts'
import type { Listed } from '../../src/model/listed.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { packedItems } from '../../src/workers/packed-items.ts'
import { FrameWorkers } from '../../src/workers/pool.ts'
import { RunPacker } from '../../src/workers/run-packer.ts'
import { contentsOf, HEADER, run, workFolder } from '../archive/support.ts'
import { NONE } from '../inventory/prefix.ts'
import { RandomTree } from '../pipeline/random-tree.ts'
import { generator } from '../relocate/helpers.ts'

const MIB = 1024 * 1024
const NOISE = randomBytes(8 * MIB)

/** Small files, enough for a few runs. One in `links` is a further name of another. */
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

/** Sets all mtimes to long ago: a recent change would make reading wait. */
function age(folder: string): void {
  for (const found of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (!found.isSymbolicLink()) utimesSync(join(found.parentPath, found.name), 1e9, 1e9)
  utimesSync(folder, 1e9, 1e9)
}

/** How an environment is read whose prefix is `prefix`. */
const reading = (prefix: string): ReadOptions => ({ makeScanner: (entry) => new PrefixScanner([prefix], entry) })

interface Packing {
  threads?: number
  format?: 'tar.zst' | 'tar.gz'
  /** Folder in the archive. */
  root?: string
  afterListing?(): void
  takeFrame?(content: Buffer, pieces: FramePiece[]): Promise<void>
}

async function list(prefix: string): Promise<Listed[]> {
  return (await listTree({ prefix }, { isExcluded: NONE })).entries
}

/** Packs in runs. `packed` are the files that workers have packed. */
async function packInRuns(t: TestContext, prefix: string, packing: Packing = {}) {
  const { threads = 2, format = 'tar.zst', root = '', takeFrame } = packing
  const path = join(await workFolder(t), `runs.${format}`)
  const workers = new FrameWorkers(threads)
  const packed: string[] = []
  const options = { threads, prefix, prefixes: [prefix], root, format, level: 3 }
  const packer = new RunPacker({ ...options, workers, shareContent: takeFrame !== undefined })
  try {
    const entries = await list(prefix)
    packing.afterListing?.()
    async function* items() {
      for await (const item of packedItems({ prefix }, entries, { packer, read: reading(prefix) })) {
        if ('stored' in item) packed.push(...item.files.map((file) => file.path))
        yield item
      }
    }
    const header = { ...HEADER, prefixes: [prefix] }
    const written = { path, format, root, threads, header, items: items(), ...(takeFrame && { takeFrame }) }
    const { index } = await writeArchive(written)
    return { path, index, packed }
  } finally {
    await workers.end()
  }
}

async function packOneByOne(t: TestContext, prefix: string): Promise<{ path: string; index: ArchiveIndex }> {
  const path = join(await workFolder(t), 'one-by-one.tar.zst')
  const items = readItems({ prefix }, await list(prefix), reading(prefix))
  const header = { ...HEADER, prefixes: [prefix] }
  const { index } = await writeArchive({ path, format: 'tar.zst', threads: 2, header, items })
  return { path, index }
}

/** The entries without their positions in the archive. */
const facts = ({ entries }: ArchiveIndex) =>
  entries.map((entry) => (entry.type === 'file' ? { ...entry, frame: 0, frameOffset: 0 } : entry))

test('an archive holds the same and tar unpacks it, whether one thread reads the files or each thread packs some of them', async (t) => {
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

test('a tar.gz that several threads packed below a folder of the archive unpacks by tar', async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 5)
  const { path } = await packInRuns(t, prefix, { format: 'tar.gz', root: 'env/name' })
  const unpacked = await workFolder(t)
  await run('tar', ['-C', unpacked, '-xzf', path])
  await run('diff', ['-r', '--no-dereference', prefix, join(unpacked, 'env/name')])
})

test('a stage that is written while its archive is packed gets each byte of each file once', async (t) => {
  const prefix = await workFolder(t)
  new RandomTree(prefix, 1)
  smallFiles(prefix, 1)
  const taken = new Map<string, Buffer[]>()
  const { path, index } = await packInRuns(t, prefix, {
    async takeFrame(content, pieces) {
      assert.ok(content.buffer instanceof SharedArrayBuffer)
      // The content is valid until this resolves, whatever is packed meanwhile.
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

test('a file that vanishes while an environment is packed is an error that names it, unless programs make and remove such files at any time', async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 9)
  mkdirSync(join(prefix, 'lib/many/__pycache__'))
  writeFileSync(join(prefix, 'lib/many/__pycache__/a.pyc'), 'compiled')
  const packWithout = (path: string) => packInRuns(t, prefix, { afterListing: () => unlinkSync(join(prefix, path)) })
  const { packed } = await packWithout('lib/many/__pycache__/a.pyc')
  assert.ok(packed.includes('lib/many/f0') && !packed.includes('lib/many/__pycache__/a.pyc'))
  await assert.rejects(packWithout('lib/many/f0'), { code: 'CHANGED', path: join(prefix, 'lib/many/f0') })
})

test('as soon as a file system turns out to be slow, files are read with many requests at once', {
  skip: slowfsUnavailable() ?? false,
}, async (t) => {
  const prefix = await workFolder(t)
  smallFiles(prefix, 10)
  age(prefix)
  const expected = await packOneByOne(t, prefix)
  const mount = await mountSlow(prefix, prefix, { latencyMs: 3, bandwidthMb: 0, validSeconds: 3600 })
  try {
    const { path, index, packed } = await packInRuns(t, prefix)
    assert.ok(packed.length < 40, `${packed.length} files were packed in runs`)
    // As many as libuv's pool allows; only the launcher makes it larger.
    assert.ok((await mount.counters()).maxInFlight! >= 4)
    assert.deepEqual(facts(index), facts(expected.index))
    assert.deepEqual(contentsOf(path, index), contentsOf(expected.path, expected.index))
  } finally {
    await mount.unmount()
  }
})
