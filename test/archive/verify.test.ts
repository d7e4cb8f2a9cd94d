import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { crc32, constants as zlib, zstdCompressSync } from 'node:zlib'
import { readIndex } from '../../src/archive/reader.ts'
import { verifyArchive } from '../../src/archive/verify/verify-archive.ts'
import type { ArchivedFile } from '../../src/model/archive-index.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { forge, type Parts } from './forge.ts'
import { tarMember } from './hand-made-tar.ts'
import { directory, FORMATS, file, HEADER, hardlink, hardTree, pack, symlink, workFolder } from './support.ts'

/** A file with the relocation that packing would find. */
function scanned(path: string, content: string): ArchiveItem {
  const scanner = new PrefixScanner(HEADER.prefixes, { path, size: content.length })
  scanner.push(Buffer.from(content))
  const relocation = scanner.finish()
  return file(path, content, { ...(relocation && { relocation }) })
}

const items = (): ArchiveItem[] => [
  directory(''),
  directory('bin'),
  directory('lib', { mode: 0o555 }),
  scanned('bin/python', '#!/envs/demo/bin/python\nprint("/envs/demo/lib")\n'),
  scanned('bin/tool', 'no prefix here'),
  file('lib/empty', ''),
  file('lib/large', Buffer.alloc(9 * 1024 * 1024, 'much the same')),
  hardlink('bin/second', 'bin/tool'),
  symlink('lib/link', '../bin/tool'),
]

async function verify(path: string, besides: { path: string; digest?: string }[] = []) {
  const handle = await open(path)
  try {
    const index = await readIndex(path, handle)
    const findings = await verifyArchive({ path, handle, index, generator: HEADER.generator, besides })
    return findings.map((finding) => ({ ...finding, line: `${finding.kind} ${finding.path}` }))
  } finally {
    await handle.close()
  }
}

const lines = async (path: string) => (await verify(path)).map(({ line }) => line)

async function packed(context: TestContext, format = 'tar.zst', all = items()): Promise<string> {
  const path = `${await workFolder(context)}/demo.${format}`
  await pack(path, all)
  return path
}

for (const format of FORMATS) {
  test(`a ${format} that was just written has nothing that verifying finds`, async (context) => {
    assert.deepEqual(await verify(await packed(context, format)), [])
    // Its files hold a prefix of which nothing was told.
    const found = await verify(await packed(context, format, hardTree()))
    assert.deepEqual([...new Set(found.map(({ line }) => line))], ['relocation bin/tool'])
  })

  test(`a ${format} with another script in the place of one of the environment's has nothing that verifying finds`, async (context) => {
    const path = `${await workFolder(context)}/demo.${format}`
    const all = [
      ...items(),
      file('bin/activate', 'of the environment'),
      file('bin/deactivate', 'of the environment, too'),
    ]
    const renamed = new Map([
      ['bin/activate', 'bin/activate.own'],
      ['bin/deactivate', 'bin/deactivate.own'],
    ])
    const ours = ['activate', 'deactivate', 'conda-unpack'].map((name) => file(`bin/${name}`, `our ${name}`))
    const besides = ours.map(({ entry, content }) => ({ path: entry.path, digest: content!.facts().digest }))
    for (const root of ['', 'some/folder']) {
      const at = `${path}${root.length}`
      await pack(at, all, { format, renamed, root, besides: () => ours })
      assert.deepEqual(await verify(at, besides), [], root)
    }
    const others = besides.map(({ path }) => ({ path, digest: '00'.repeat(16) }))
    assert.deepEqual(
      (await verify(`${path}0`, others)).map(({ line }) => line),
      ['member bin/activate', 'member bin/deactivate', 'member bin/conda-unpack'],
    )
  })

  test(`a flipped bit in a frame of a ${format} is found, with the files that are lost by it, and the other files are still compared`, async (context) => {
    const path = await packed(context, format)
    const bytes = readFileSync(path)
    const handle = await open(path)
    const { frames, entries } = await readIndex(path, handle)
    await handle.close()
    const large = entries.find((entry) => entry.path === 'lib/large')
    const { offset, compressedSize } = frames[(large as ArchivedFile).frame + 1]!
    bytes[offset + (compressedSize >> 1)]! ^= 0x10
    writeFileSync(path, bytes)
    const found = await verify(path)
    assert.ok(found.some(({ kind, why }) => kind === 'frame' && /bytes \d+ to \d+/.test(why)))
    assert.ok(found.some(({ line, harmless }) => line === 'content lib/large' && !harmless))
    assert.ok(!found.some(({ path }) => path === 'bin/tool'))
  })
}

/** What the index says wrong, and what is found. */
const LIES: Record<string, [findings: string[], lie: (parts: Parts) => void]> = {
  'a digest': [
    ['content bin/python'],
    ({ digests }) => {
      digests[0]! ^= 1
    },
  ],
  'a mode': [
    ['archive bin/python', 'member bin/python'],
    ({ columns }) => {
      columns.modes[2] = 0o700
    },
  ],
  'a time': [
    ['archive bin/python', 'member bin/python'],
    ({ columns }) => {
      columns.seconds[2]! += 1
    },
  ],
  'the target of a symbolic link': [
    ['archive lib/link', 'member lib/link'],
    ({ columns }) => {
      columns.targets[0] = '/etc'
    },
  ],
  'a name': [
    ['archive bin/tool', 'member bin/second', 'member bin/tool'],
    ({ columns }) => {
      columns.names = columns.names.replace('/tool/', '/topl/')
    },
  ],
  'a size': [
    ['archive bin/second', 'archive bin/tool', 'content bin/tool', 'member bin/tool'],
    ({ columns, head }) => {
      columns.sizes[1]! -= 1
      head.totals.bytes! -= 1
    },
  ],
  'the place of a prefix': [
    ['relocation bin/python'],
    ({ columns }) => {
      columns.relocations[0]![1].occurrences[1]!.offset = 13
    },
  ],
  'the prefix, of which it is silent': [['relocation bin/python'], ({ columns }) => columns.relocations.pop()],
  'what the quick check compares': [
    ['archive bin/python'],
    ({ head }) => {
      const watched = head.watched as unknown[][]
      watched.find(([path]) => path === 'bin/python')![3] = 5
    },
  ],
  'what the quick check looks at': [
    ['archive lib/empty'],
    ({ head }) => {
      head.watched = (head.watched as unknown[][]).filter(([path]) => path !== 'lib/empty')
      head.spotChecks = ['lib/empty']
    },
  ],
  'the places of two files, which overlap': [
    ['content bin/tool', 'content bin/tool', 'member bin/tool', 'member bin/tool', 'relocation bin/tool'],
    ({ columns }) => {
      columns.offsets[1] = columns.offsets[0]! + 1
    },
  ],
  'a link, and calls it a folder': [
    ['archive lib/link', 'member lib/link'],
    ({ columns }) => {
      columns.types = columns.types.replace('l', 'd')
      columns.targets = []
    },
  ],
}

for (const [what, [expected, lie]] of Object.entries(LIES)) {
  test(`verifying finds that an index lies about ${what}`, async (context) => {
    const path = await packed(context)
    forge(path, (parts) => {
      lie(parts)
      return undefined
    })
    assert.deepEqual((await lines(path)).sort(), expected.sort())
  })
}

/** Puts another tar into the last frame, where hard links, folders and symbolic links stand. */
async function withTail(path: string, change: (tail: Buffer) => Buffer): Promise<void> {
  const { decompressSync } = await import('../../src/archive/codec.ts')
  forge(path, (parts) => {
    const { columns } = parts
    const size = columns.compressedSizes.at(-1)!
    const stored = parts.before.subarray(parts.before.length - size)
    const tail = change(decompressSync('tar.zst', stored, columns.frameSizes.at(-1)!))
    const again = zstdCompressSync(tail, { params: { [zlib.ZSTD_c_checksumFlag]: 1 }, pledgedSrcSize: tail.length })
    parts.before = Buffer.concat([parts.before.subarray(0, parts.before.length - size), again])
    parts.footer.indexOffset = parts.before.length
    columns.compressedSizes[columns.compressedSizes.length - 1] = again.length
    columns.frameSizes[columns.frameSizes.length - 1] = tail.length
    columns.storedChecksums![columns.storedChecksums!.length - 1] = crc32(again)
    return undefined
  })
}

const before = (tail: Buffer, member: Buffer) => Buffer.concat([tail.subarray(0, -1024), member, tail.subarray(-1024)])

const TAILS: Record<string, [change: (tail: Buffer) => Buffer, finding: string]> = {
  'a file more': [(tail) => before(tail, tarMember({ name: './lib/more', content: 'evil' })), 'member lib/more'],
  'a file that leads out': [(tail) => before(tail, tarMember({ name: '../more', content: 'evil' })), 'member '],
  'a link more': [(tail) => before(tail, tarMember({ name: './more', type: '2', link: '/' })), 'member more'],
  'another file of the same name': [
    (tail) => before(tail, tarMember({ name: './bin/tool', content: 'evil' })),
    'member bin/tool',
  ],
  'the same folder twice': [
    (tail) => before(tail, tarMember({ name: './bin/', type: '5', mode: 0o755 })),
    'member bin',
  ],
  'no end': [(tail) => tail.subarray(0, -1024), 'member '],
  'something behind its end': [(tail) => Buffer.concat([tail, tarMember({ name: './more' })]), 'member '],
}

for (const [what, [change, finding]] of Object.entries(TAILS)) {
  test(`verifying finds that tar would unpack ${what}, which the index does not have`, async (context) => {
    const path = await packed(context)
    await withTail(path, change)
    assert.ok((await lines(path)).includes(finding), JSON.stringify(await verify(path), null, 2))
  })
}

test('an archive of another version may have found other places of the prefix: that is harmless', async (context) => {
  const path = await packed(context)
  forge(path, ({ columns, head }) => {
    columns.relocations.pop()
    head.generator = 'conda-stage 0.0.0-older'
    return undefined
  })
  const [finding, ...more] = await verify(path)
  assert.deepEqual([finding?.line, finding?.harmless, more], ['relocation bin/python', true, []])
})

test('verifying an archive can be cancelled', async (context) => {
  const path = await packed(context)
  const handle = await open(path)
  context.after(() => handle.close())
  const index = await readIndex(path, handle)
  const options = { path, handle, index, generator: '', besides: [], signal: AbortSignal.abort('SIGINT') }
  await assert.rejects(verifyArchive(options), { code: 'CANCELLED' })
})
