/** Archives of ours whose checksums are all right, and whose index lies. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { constants as zlib, zstdCompressSync } from 'node:zlib'
import { readHead, readIndex } from '../../src/archive/reader.ts'
import { StageError } from '../../src/errors.ts'
import { copiedWorld, stageOf, succeed } from '../cli/world.ts'
import { tree } from '../conda-pack/support.ts'
import { forge, type Lies, type Parts } from './forge.ts'
import { contentsOf, directory, file, pack, workFolder } from './support.ts'

const items = () => [
  directory(''),
  directory('bin'),
  file('bin/tool', '#!/envs/demo/bin/python\n'),
  file('bin/other', 'x'),
]

async function packed(context: TestContext): Promise<string> {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await pack(path, items())
  return path
}

const damaged = (path: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StageError, String(error))
  assert.equal(error.code, 'ARCHIVE_DAMAGED')
  assert.ok(error.message.includes(path))
  assert.match(error.message, says)
  return true
}

test('an archive that is forged by nothing is read as before', async (context) => {
  const path = await packed(context)
  const before = contentsOf(path, await readIndex(path))
  forge(path, () => {})
  assert.deepEqual(contentsOf(path, await readIndex(path)), before)
})

/** What the head says. */
const HEADS: Record<string, (head: Parts['head']) => void> = {
  'counts more entries than there are': (head) => (head.totals.entries! += 1),
  'counts 10^9 files': (head) => (head.totals.files = 1e9),
  'counts fewer bytes than there are': (head) => (head.totals.bytes! -= 1),
  'has no prefix': (head) => (head.prefixes = []),
  'has an empty prefix': (head) => (head.prefixes = ['']),
  'has a prefix with a NUL': (head) => (head.prefixes = ['/envs/de\0mo']),
  'has a prefix that is longer than any path': (head) => (head.prefixes = [`/${'x'.repeat(4096)}`]),
  'has a thousand prefixes': (head) => (head.prefixes = Array.from({ length: 1000 }, (_, n) => `/envs/${n}`)),
  'has the name of a folder above': (head) => (head.name = '..'),
  'has a name that is a path': (head) => (head.name = 'a/b'),
  'has a name of a megabyte': (head) => (head.name = 'x'.repeat(2 ** 20)),
  'watches a path outside of the environment': (head) => (head.watched[0] = ['../../etc/passwd', 'file', 1, 1, 1, 1]),
  'watches an absolute path': (head) => (head.watched[0] = ['/etc/passwd', 'file', 1, 1, 1, 1]),
  'watches nonsense': (head) => (head.watched = Array.from({ length: 100_000 }, () => 0)),
  'looks at a path outside of the environment': (head) => (head.spotChecks = ['../x']),
}

for (const [what, lie] of Object.entries(HEADS)) {
  test(`an archive whose head ${what} is refused`, async (context) => {
    const path = await packed(context)
    forge(path, ({ head }) => {
      lie(head)
    })
    await assert.rejects(readIndex(path), damaged(path, /its index makes no sense/))
  })
}

/** What is put in the place of a section. */
const BOMBS: Record<string, () => Lies> = {
  'unpacks to a gigabyte instead of a few bytes': () => ({
    sections: { entries: Buffer.alloc(2 ** 30) },
    sizes: { entries: 100 },
  }),
  'says that it unpacks to a terabyte': () => ({ sizes: { entries: 2 ** 40 } }),
  'holds a million brackets, one in another': () => ({ sections: { entries: Buffer.alloc(1_000_000, '[') } }),
  'holds 80 million brackets, one in another': () => ({ sections: { entries: Buffer.alloc(80_000_000, '[') } }),
  'holds 50 million empty lists': () => ({
    sections: { entries: Buffer.from(`{"types":[${'[],'.repeat(50_000_000)}[]]}`) },
  }),
  'holds 20 million mistakes': () => ({
    sections: { entries: Buffer.from(`{"placeholders":[${'0,'.repeat(20_000_000)}0]}`) },
  }),
  'has a head with 20 million mistakes': () => ({
    sections: { head: Buffer.from(`{"watched":[${'0,'.repeat(20_000_000)}0]}`) },
  }),
}

const CHILD = fileURLToPath(new URL('./read-child.ts', import.meta.url))

/** Reads the archive in a process of its own: what it says, and the most memory that it took. */
function readApart(path: string): { code: string; message: string; megabytes: number } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [CHILD, path], { encoding: 'utf8', timeout: 60_000 })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

for (const [what, bomb] of Object.entries(BOMBS)) {
  test(`an archive whose index ${what} is refused in bounded time and memory`, async (context) => {
    const path = await packed(context)
    forge(path, bomb)
    const { code, megabytes } = readApart(path)
    assert.equal(code, 'ARCHIVE_DAMAGED')
    assert.ok(megabytes < 1500, `${megabytes} MB`)
  })
}

test('a frame that unpacks to a gigabyte instead of what the index says is refused in bounded memory, and nothing is left', async (context) => {
  const path = await packed(context)
  const bomb = zstdCompressSync(Buffer.alloc(2 ** 30), { params: { [zlib.ZSTD_c_checksumFlag]: 1 } })
  forge(path, (parts) => {
    const opening = parts.before.subarray(0, parts.before.length - parts.columns.compressedSizes[0]!)
    parts.before = Buffer.concat([opening, bomb])
    parts.columns.compressedSizes = [bomb.length]
    parts.columns.frameSizes = [4 * 1024 * 1024]
    parts.footer.indexOffset = parts.before.length
  })
  const { code, message, megabytes } = readApart(path)
  assert.equal(code, 'ARCHIVE_DAMAGED')
  assert.match(message, /the frame at byte \d+ can't be decompressed/)
  assert.ok(megabytes < 500, `${megabytes} MB`)
})

test('an archive beside its environment whose index lies is written again, and the copy is the environment', async (context) => {
  const place = await copiedWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const staged = await stageOf(place, ['--private'])
  const before = tree(staged)
  forge(place.archive, ({ columns }) => {
    columns.names = columns.names.replace(/[^/]*$/, '..')
  })
  const { stderr, stdout } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`, '--private'])
  assert.match(
    stderr,
    /WARNING: .*myjupyter\.tar\.zst is damaged: its index makes no sense \(its entry .* leads out of it\)/,
  )
  assert.equal(staged.length, stdout.trimEnd().length)
  const changing = /conda-meta$/
  const facts = (root: Map<string, string>) => [...root].filter(([path]) => path !== '' && !changing.test(path))
  assert.equal(facts(tree(stdout.trimEnd())).length, facts(before).length)
  await readHead(place.archive)
})
