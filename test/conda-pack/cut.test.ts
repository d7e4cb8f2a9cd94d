/** Archives of conda-pack's that are not whole, or not only that. */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { END_OF_TAR } from '../../src/archive/tar.ts'
import { StageError } from '../../src/errors.ts'
import { extended, paxRecord, tar, tarMember } from '../archive/hand-made-tar.ts'
import { zip } from '../archive/hand-made-zip.ts'
import { copiedWorld, fails } from '../cli/world.ts'
import {
  COMPRESS,
  condaPackMembers,
  condaPackTar,
  condaPackZip,
  folderOf,
  readCondaPack,
  unpackScript,
  zipMembers,
} from './hand-made.ts'

/** Contents that do not compress, so that every format has something to cut. */
const NOISE = Buffer.from(Array.from({ length: 3000 }, (_, n) => (n * n * 7919) >> 5))
const plain = (): Buffer => condaPackTar({ name: 'lib/first', content: NOISE }, { name: 'lib/last', content: NOISE })
const KINDS: Record<string, () => Buffer> = {
  ...Object.fromEntries(Object.entries(COMPRESS).map(([kind, compress]) => [kind, () => compress(plain())])),
  zip: () => condaPackZip({ name: 'lib/first', content: NOISE, deflate: true }, { name: 'lib/last', content: NOISE }),
}

const refused = (path: string) => (error: unknown) => {
  assert.ok(error instanceof StageError, String(error))
  assert.match(error.code, /^ARCHIVE_(DAMAGED|FOREIGN)$/)
  assert.ok(error.message.includes(path), error.message)
  assert.ok(error.hint)
  return true
}

for (const [kind, make] of Object.entries(KINDS)) {
  test(`a ${kind} of conda-pack's that is whole is read, and one that is cut anywhere is refused by its name`, async (context) => {
    const path = `${folderOf(context)}/theirs.${kind}`
    const whole = make()
    assert.deepEqual((await readCondaPack(path, { bytes: whole })).get('lib/last')?.content, NOISE)
    const isProgram = kind === 'tar.bz2' || kind === 'tar.xz'
    const borders = kind === 'tar' ? Array.from({ length: whole.length / 512 }, (_, n) => n * 512) : []
    const step = Math.ceil(whole.length / (isProgram ? 20 : 150))
    const steps = Array.from({ length: Math.floor(whole.length / step) }, (_, n) => n * step + 1)
    const ends = [1, 2, 3, 4, 5, 8, 21, 22, 100].map((missing) => whole.length - missing)
    for (const size of new Set([...borders, ...steps, ...ends]))
      await assert.rejects(
        readCondaPack(path, { bytes: whole.subarray(0, size) }),
        refused(path),
        `cut to ${size} bytes`,
      )
  })

  test(`a ${kind} of conda-pack's with anything behind its end is refused, be it itself once more`, async (context) => {
    const path = `${folderOf(context)}/theirs.${kind}`
    const whole = make()
    const compress = COMPRESS[kind]
    const more = [Buffer.from('rubbish'), Buffer.alloc(700, 'x'), whole, whole.subarray(0, 3), Buffer.from('\x1f\x8b')]
    for (const behind of [...more, ...(compress ? [compress(tar({ name: 'lib/more' }))] : [])])
      await assert.rejects(
        readCondaPack(path, { bytes: Buffer.concat([whole, behind]) }),
        refused(path),
        behind.toString('hex'),
      )
    if (!compress) return
    const zerosFirst = Buffer.concat([plain(), Buffer.alloc(5120), tarMember({ name: 'lib/more' }), END_OF_TAR])
    await assert.rejects(readCondaPack(path, { bytes: compress(zerosFirst) }), refused(path))
  })

  if (kind !== 'tar')
    test(`a ${kind} of conda-pack's with a wrong checksum is refused`, async (context) => {
      const path = `${folderOf(context)}/theirs.${kind}`
      const whole = make()
      const damaged = Buffer.from(whole)
      damaged[whole.length >> 1]! ^= 1
      await assert.rejects(readCondaPack(path, { bytes: damaged }), refused(path))
    })

  test(`conda-stage does not stage a ${kind} of conda-pack's that is cut, and leaves it and the environment alone`, async (context) => {
    const place = await copiedWorld(context)
    const path = `${place.root}/theirs.${kind}`
    writeFileSync(path, make().subarray(0, -1200))
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${path}`]
    await fails(place, args, { code: 'ARCHIVE_DAMAGED', path, hint: /Make it again with conda-pack/ })
  })
}

test('a tar of conda-pack with a wrong checksum in any of its headers is refused', async (context) => {
  const path = `${folderOf(context)}/theirs.tar`
  for (const nth of condaPackMembers().keys()) {
    const members = condaPackMembers()
    members[nth]!.sumOff = 1
    await assert.rejects(readCondaPack(path, { bytes: tar(...members) }), refused(path))
  }
})

const LEGAL: Record<string, Buffer> = {
  'a tar that is filled up to 10 KiB': Buffer.concat([plain(), Buffer.alloc(7 * 512)]),
  'a tar without a history of conda, and with members below ./': tar(
    { name: './', type: '5', mode: 0o755 },
    { name: './lib/', type: '5' },
    { name: './lib/last', content: NOISE },
    { name: './bin/conda-unpack', content: unpackScript() },
  ),
  'a tar with a comment for all members and with pax headers': Buffer.concat([
    extended('g', paxRecord(['comment', 'by hand'])),
    condaPackTar({
      name: 'short',
      content: NOISE,
      pax: { path: 'lib/last', size: String(NOISE.length), mtime: '1.5', 'SCHILY.xattr.user.x': '1' },
    }),
  ]),
  "a tar with GNU's long names, and old types of files": condaPackTar(
    { name: 'lib/x', gnu: { L: `lib/${'x'.repeat(150)}` }, magic: 'ustar  \0', content: 'x' },
    { name: 'lib/last', type: '\0', content: NOISE },
    { name: 'lib/other', type: '7', content: 'x' },
  ),
  'a tar with a script that is there twice, as in environments with conda': condaPackTar(
    { name: 'bin/activate', content: 'one' },
    { name: 'lib/last', content: NOISE },
    { name: 'bin/activate', content: 'two' },
  ),
  'a gzip that is filled with zeros': Buffer.concat([gzipSync(plain()), Buffer.alloc(512)]),
  'a gzip of two members': Buffer.concat([gzipSync(plain().subarray(0, 5000)), gzipSync(plain().subarray(5000))]),
  'zstd frames with a skippable one between them': Buffer.concat([
    zstdCompressSync(plain().subarray(0, 5000)),
    Buffer.from('5e2a4d180400000001020304', 'hex'),
    zstdCompressSync(plain().subarray(5000)),
  ]),
  'two streams of xz': Buffer.concat([
    COMPRESS['tar.xz']!(plain().subarray(0, 5000)),
    COMPRESS['tar.xz']!(plain().subarray(5000)),
  ]),
  'two streams of bzip2': Buffer.concat([
    COMPRESS['tar.bz2']!(plain().subarray(0, 5000)),
    COMPRESS['tar.bz2']!(plain().subarray(5000)),
  ]),
  'a zip with a comment and folders': zip([...zipMembers(), { name: 'lib/' }, { name: 'lib/last', content: NOISE }], {
    comment: 'by hand',
  }),
}

for (const [what, bytes] of Object.entries(LEGAL)) {
  test(`an archive of conda-pack's is read if it is ${what}`, async (context) => {
    const found = await readCondaPack(`${folderOf(context)}/theirs`, { bytes })
    assert.deepEqual(found.get('lib/last')?.content, NOISE)
  })
}

test('a file of many MiB with a placeholder is changed like a small one, and nothing is left beside the archive', async (context) => {
  const folder = folderOf(context)
  const line = `prefix=/opt/placeholder/lib ${'#'.repeat(1000)}\n`
  const content = line.repeat(Math.ceil((40 * 1024 * 1024) / line.length))
  const bytes = tar({ name: 'etc/large', content }, { name: 'bin/conda-unpack', content: unpackScript('etc/large') })
  const { entry, content: changed } = (await readCondaPack(`${folder}/theirs`, { bytes })).get('etc/large')!
  assert.equal(changed?.toString(), content.replaceAll('/opt/placeholder', '/envs/mine'))
  assert.equal(entry.type === 'file' && entry.size, changed?.length)
  assert.deepEqual(readdirSync(folder), ['theirs'])
})
