import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { appendFile, chmod, link, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ListOptions, listTree } from '../../src/inventory/list.ts'
import { type ReadOptions, readItems } from '../../src/inventory/read.ts'
import { type BytePath, parentOf } from '../../src/model/byte-path.ts'
import type { ArchiveItem, Scanner } from '../../src/model/item.ts'
import type { Listed } from '../../src/model/listed.ts'
import { asOrdinaryUser } from '../platform/as-ordinary-user.ts'
import { makePrefix, NONE } from './prefix.ts'

const MIB = 1024 * 1024

/** Counts bytes, and gives the count as the offset of one occurrence. */
function countingScanner(): Scanner {
  let bytes = 0
  return {
    push: (chunk) => {
      bytes += chunk.length
    },
    finish: () => ({ kind: 'text', occurrences: [{ offset: bytes, prefix: 0, encoding: 'utf8' }] }),
  }
}

const plain: ReadOptions = { makeScanner: countingScanner }

const list = async (prefix: string, options: Partial<ListOptions> = {}): Promise<Listed[]> =>
  (await listTree({ prefix }, { isExcluded: NONE, ...options })).entries

async function listed(t: TestContext, files: Record<string, string>) {
  const prefix = await makePrefix(t, files)
  return { prefix, entries: await list(prefix) }
}

async function contentOf(item: ArchiveItem): Promise<Buffer> {
  const chunks = item.content?.chunks
  if (chunks === undefined) throw new Error(`${item.entry.path} has no content`)
  // Its memory is reused for the next item.
  if (Buffer.isBuffer(chunks)) return Buffer.from(chunks)
  const pieces: Buffer[] = []
  for await (const piece of chunks) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** Consumes all content, as a writer does. */
async function readAll(prefix: string, entries: readonly Listed[], options = plain): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  for await (const item of readItems({ prefix }, entries, options)) {
    if (item.entry.type === 'file') contents.set(item.entry.path, await contentOf(item))
  }
  return contents
}

const openFiles = (prefix: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)].filter((path) => path.startsWith(prefix))
    } catch {
      return []
    }
  })

test('a file of any size is read with all its bytes, their digest and what the scanner found', async (t) => {
  const sizes = [0, 1, 4096, MIB, MIB + 1, 5 * MIB, 6 * MIB + 7]
  const contentFor = (size: number) => Buffer.alloc(size, `${size}.`).toString('latin1')
  const { prefix, entries } = await listed(
    t,
    Object.fromEntries(sizes.map((size) => [`lib/${size}`, contentFor(size)])),
  )
  let [bytes, files] = [0, 0]
  const onRead = (moreBytes: number, ended: BytePath | undefined) => {
    bytes += moreBytes
    if (ended !== undefined) files++
  }
  for await (const item of readItems({ prefix }, entries, { ...plain, onRead })) {
    const size = Number(/^lib\/(\d+)$/.exec(item.entry.path)?.[1] ?? -1)
    if (item.entry.type !== 'file') continue
    const content = await contentOf(item)
    assert.equal(content.length, item.entry.size)
    const facts = item.content?.facts()
    assert.equal(facts?.digest, createHash('sha256').update(content).digest('hex').slice(0, 32))
    assert.equal(facts?.relocation?.occurrences[0]?.offset, item.entry.size)
    if (size >= 0) assert.ok(content.equals(Buffer.from(contentFor(size))))
  }
  const all = entries.filter((entry) => entry.type === 'file')
  assert.equal(files, all.length)
  const sizesNow = all.map(({ path }) => statSync(join(prefix, path)).size)
  assert.equal(
    bytes,
    sizesNow.reduce((sum, size) => sum + size, 0),
  )
})

test('a folder is read before what is in it, files in the order of their paths, and a hard link after its target', async (t) => {
  const records = new Map(['bin/z', 'lib/a', 'share/b'].map((path) => [path, { package: 'zlib-1-0' }]))
  records.set('bin/m', { package: 'make-1-0' })
  const prefix = await makePrefix(t, { 'bin/z': '', 'lib/a': '', 'share/b': '', 'bin/m': '', 'bin/own': '' })
  await link(join(prefix, 'lib/a'), join(prefix, 'share/a'))
  await symlink('m', join(prefix, 'bin/link'))
  const entries = await list(prefix, { records })
  const order: string[] = []
  for await (const { entry } of readItems({ prefix }, entries, plain)) order.push(entry.path)
  assert.deepEqual(
    [...order].sort(),
    entries.map((entry) => entry.path),
  )
  for (const path of order.slice(1)) {
    assert.ok(order.indexOf(parentOf(path)) < order.indexOf(path), path)
  }
  const interesting = ['bin/m', 'bin/own', 'bin/z', 'lib/a', 'share/a', 'share/b']
  assert.deepEqual(
    order.filter((path) => interesting.includes(path)),
    interesting,
  )
})

test("the digest of a large file can't be asked for before its content was consumed", async (t) => {
  const { prefix, entries } = await listed(t, { 'lib/large': 'x'.repeat(2 * MIB) })
  for await (const item of readItems({ prefix }, entries, plain)) {
    if (item.entry.path !== 'lib/large') continue
    assert.throws(() => item.content?.facts(), /before its content was consumed/)
    await contentOf(item)
    assert.ok(item.content?.facts())
  }
})

const CHANGES: Record<string, (path: string) => Promise<void>> = {
  grew: (path) => appendFile(path, 'more'),
  shrank: (path) => truncate(path, 1),
  'was rewritten at the same size': async (path) => writeFile(path, 'y'.repeat(statSync(path).size)),
  'got another mode': (path) => chmod(path, 0o640),
}
for (const [what, change] of Object.entries(CHANGES)) {
  for (const size of [10, 3 * MIB]) {
    test(`a file of ${size} bytes that ${what} since its folder was listed is read with its present facts and content`, async (t) => {
      const { prefix, entries } = await listed(t, { 'lib/changing': 'x'.repeat(size) })
      const path = join(prefix, 'lib/changing')
      await change(path)
      const now = statSync(path, { bigint: true })
      for await (const item of readItems({ prefix }, entries, plain)) {
        if (item.entry.type !== 'file') continue
        const content = await contentOf(item)
        if (item.entry.path !== 'lib/changing') continue
        const { mode, mtimeNs, size } = item.entry
        assert.deepEqual([mode, mtimeNs, BigInt(size)], [Number(now.mode & 0o7777n), now.mtimeNs, now.size])
        assert.ok(content.equals(readFileSync(path)))
      }
      assert.deepEqual(openFiles(prefix), [])
    })
  }
}

const LOSSES: Record<string, (path: string) => Promise<void>> = {
  vanished: (path) => rm(path),
  'became a link to the same content': async (path) => {
    await rename(path, `${path}.moved`)
    await symlink(`${path}.moved`, path)
  },
}
for (const [what, change] of Object.entries(LOSSES)) {
  test(`a file that ${what} since its folder was listed is an error that names it`, async (t) => {
    const { prefix, entries } = await listed(t, { 'lib/changing': 'x' })
    await change(join(prefix, 'lib/changing'))
    await assert.rejects(readAll(prefix, entries), (error: Error & { code?: string; path?: string }) => {
      assert.equal(error.code, 'CHANGED')
      assert.equal(error.path, join(prefix, 'lib/changing'))
      assert.match(error.message, /lib\/changing changed while/)
      return true
    })
    assert.deepEqual(openFiles(prefix), [])
  })
}

test('byte code, temporary files and temporary links may vanish after their folder was listed', async (t) => {
  const { prefix } = await listed(t, { 'lib/__pycache__/x.cpython-311.pyc.140': '', 'bin/tool.tmp': '' })
  await symlink('nowhere', join(prefix, 'lib/.tmp-link'))
  const entries = await list(prefix)
  const gone = ['lib/__pycache__/x.cpython-311.pyc.140', 'bin/tool.tmp', 'lib/.tmp-link']
  for (const path of gone) await rm(join(prefix, path))
  const paths: string[] = []
  for await (const { entry } of readItems({ prefix }, entries, plain)) paths.push(entry.path)
  assert.deepEqual(
    paths.sort(),
    entries.map(({ path }) => path).filter((path) => !gone.includes(path)),
  )
})

test('a file with several names is read once, as the name that comes first, and its other names are links to that', async (t) => {
  const prefix = await makePrefix(t, { 'lib/b': 'content', 'share/large': 'x'.repeat(2 * MIB) })
  for (let n = 0; n < 40; n++) await link(join(prefix, 'lib/b'), join(prefix, `bin/name-${n}`))
  await link(join(prefix, 'share/large'), join(prefix, 'share/also-large'))
  await link(join(prefix, 'lib/b'), join(prefix, '../outside'))
  const entries = await list(prefix)
  const found = new Map<string, string>()
  for await (const item of readItems({ prefix }, entries, plain)) {
    if (item.entry.type === 'hardlink') found.set(item.entry.path, item.entry.target)
    else if (item.entry.type === 'file') found.set(item.entry.path, (await contentOf(item)).toString().slice(0, 9))
  }
  assert.equal(found.get('bin/name-0'), 'content')
  for (let n = 1; n < 40; n++) assert.equal(found.get(`bin/name-${n}`), 'bin/name-0')
  assert.equal(found.get('lib/b'), 'bin/name-0')
  assert.equal(found.get('share/also-large'), 'xxxxxxxxx')
  assert.equal(found.get('share/large'), 'share/also-large')
  const without = entries.filter(({ path }) => !path.startsWith('bin/name'))
  assert.equal((await readAll(prefix, without)).get('lib/b')?.toString(), 'content')
  assert.deepEqual(openFiles(prefix), [])
})

test('a large file that changes while it is read is an error', async (t) => {
  const { prefix, entries } = await listed(t, { 'lib/large': 'x'.repeat(12 * MIB) })
  const consume = async () => {
    for await (const item of readItems({ prefix }, entries, plain)) {
      if (item.entry.path !== 'lib/large' || item.content === undefined) continue
      let pieces = 0
      for await (const _ of item.content.chunks as AsyncIterable<Buffer>) {
        if (++pieces === 2) await utimes(join(prefix, 'lib/large'), 0, 0)
      }
    }
  }
  await assert.rejects(consume(), { code: 'CHANGED' })
})

test('a file without read permission is an error that names it and says whom to ask', async (t) => {
  const prefix = await makePrefix(t, { 'share/secret': 'x' })
  await chmod(join(prefix, '..'), 0o755)
  await chmod(join(prefix, 'share/secret'), 0o000)
  const source = (name: string) => new URL(`../../src/inventory/${name}.ts`, import.meta.url)
  const code = `const { listTree } = await import('${source('list')}')
    const { readItems } = await import('${source('read')}')
    const prefix = process.argv[1]
    const { entries } = await listTree({ prefix }, { isExcluded: () => false })
    const makeScanner = () => ({ push() {}, finish() {} })
    try {
      for await (const item of readItems({ prefix }, entries, { makeScanner }));
    } catch (error) { console.log(JSON.stringify({ ...error, message: error.message })) }`
  const error = JSON.parse(asOrdinaryUser(code, [prefix]))
  assert.equal(error.code, 'UNREADABLE')
  assert.equal(error.path, join(prefix, 'share/secret'))
  assert.match(error.message, /share\/secret can't be read: permission denied$/)
  assert.match(error.hint, /permission/)
})

test('no file stays open when a consumer stops before the end', async (t) => {
  const large = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`lib/large${n}`, 'x'.repeat(2 * MIB)]))
  const { prefix, entries } = await listed(t, large)
  for await (const item of readItems({ prefix }, entries, plain)) {
    if (!item.entry.path.startsWith('lib/large')) continue
    const pieces = item.content!.chunks as AsyncIterable<Buffer>
    for await (const _ of pieces) break
    break
  }
  assert.deepEqual(openFiles(prefix), [])
})

test("consuming a file's content too late is an error, and never gives another file's content", async (t) => {
  const { prefix, entries } = await listed(t, { 'lib/large': 'x'.repeat(20 * MIB) })
  const late: AsyncIterable<Buffer>[] = []
  for await (const item of readItems({ prefix }, entries, plain)) {
    if (item.entry.path === 'lib/large') late.push(item.content!.chunks as AsyncIterable<Buffer>)
  }
  const consume = async () => {
    for await (const _ of late[0]!);
  }
  await assert.rejects(consume(), /closed before its content was consumed/)
})

test('cancelling stops the reading, even within a large file', async (t) => {
  const { prefix, entries } = await listed(t, { 'lib/large': 'x'.repeat(8 * MIB) })
  const aborted = readAll(prefix, entries, { ...plain, signal: AbortSignal.abort('SIGINT') })
  await assert.rejects(aborted, { code: 'CANCELLED' })
  const controller = new AbortController()
  const onRead = (bytes: number) => bytes === MIB && controller.abort('SIGINT')
  await assert.rejects(readAll(prefix, entries, { ...plain, onRead, signal: controller.signal }), { code: 'CANCELLED' })
  assert.deepEqual(openFiles(prefix), [])
})

test('a slow consumer does not make reading ahead take more than some 16 MiB of memory', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`share/f${n}`, 'x'.repeat(MIB / 2)]))
  const { prefix, entries } = await listed(t, many)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  for await (const item of readItems({ prefix }, entries, plain)) {
    if (item.entry.type !== 'file') continue
    await new Promise((resolve) => setTimeout(resolve, 1))
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }
  // Memory that was handed on and not collected yet counts too: a multiple of the limit, but far from the 200 MB of all files.
  assert.ok(most < 80 * MIB, `${most} bytes`)
})

test('reading never has more files open at once than asked for', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`share/f${n}`, 'x'.repeat(MIB + 1)]))
  const { prefix, entries } = await listed(t, many)
  let most = 0
  for await (const { content } of readItems({ prefix }, entries, { ...plain, concurrency: 3 })) {
    if (content !== undefined) for await (const _ of content.chunks);
    most = Math.max(most, openFiles(prefix).length)
  }
  assert.ok(most > 0 && most <= 3, `${most} files open`)
})
