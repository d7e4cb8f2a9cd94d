/** Archives like conda-pack's that somebody made to do harm. test/conda-pack/advisories.test.ts has those that were published. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { StageError } from '../../src/errors.ts'
import { type TarMember, tar, tarMember } from '../archive/hand-made-tar.ts'
import { type ZipMember, zip } from '../archive/hand-made-zip.ts'
import { condaPackMembers, condaPackTar, condaPackZip, folderOf, readCondaPack, unpackScript } from './hand-made.ts'

const read = (context: TestContext, bytes: Buffer) => readCondaPack(`${folderOf(context)}/theirs`, { bytes })

const link = (name: string, target: string): TarMember => ({ name, type: '2', link: target })
const hard = (name: string, target: string): TarMember => ({ name, type: '1', link: target })
const pax = (path: string): TarMember => ({ name: 'x', content: 'x', pax: { path } })
const long = (path: string): TarMember => ({ name: 'x', content: 'x', gnu: { L: path } })
const LOCAL_TIME = Buffer.from('0a00200000000000010018000080c8e28ba4d9010080c8e28ba4d9010080c8e28ba4d901', 'hex')

const REFUSED: Record<string, [named: string, TarMember[] | ZipMember[]]> = {
  'a name of 256 bytes': ['has a name of 256 bytes', [pax(`lib/${'n'.repeat(256)}`)]],
  "a name of 256 bytes in GNU's header": ['has a name of 256 bytes', [long(`lib/${'n'.repeat(256)}`)]],
  'a path of 4096 bytes': ['has a path of 4097 bytes', [pax(`${'p/'.repeat(2048)}x`)]],
  'a NUL in a name': ['lib/\\0x has a NUL in its name', [pax('lib/\0x')]],
  'an empty name': ['has no name', [pax('')]],
  'a name of nothing but a slash': ['/ leads out', [{ name: '/', type: '5' }]],
  'two slashes in a path': ['lib//x has an empty part', [{ name: 'lib//x' }]],
  'a point in a path': ['lib/./x has an empty part', [{ name: 'lib/./x' }]],
  'two slashes at the end of a folder': ['lib// has an empty part', [{ name: 'lib//', type: '5' }]],
  'a file that is the folder itself': [
    './ has the name of a folder',
    [{ name: './', type: '5' }, { name: '.', type: '5' }, link('./', 'x')],
  ],
  'a character device': ['lib/x is a device', [{ name: 'lib/x', type: '3' }]],
  'a block device': ['lib/x is a device', [{ name: 'lib/x', type: '4' }]],
  'a FIFO': ['lib/x is a FIFO', [{ name: 'lib/x', type: '6' }]],
  'a member of an unknown type': ['lib/x is of the unknown type', [{ name: 'lib/x', type: 'Z' }]],
  'a second volume': ['lib/x is of the unknown type', [{ name: 'lib/x', type: 'M' }]],
  'a folder with content': ['lib/x/ is a directory with content', [{ name: 'lib/x/', type: '5', content: 'x' }]],
  'a symbolic link with content': ['lib/x is a symlink with content', [{ ...link('lib/x', 'y'), content: 'x' }]],
  'a symbolic link without a target': ['lib/x is a symbolic link without a target', [link('lib/x', '')]],
  'a symbolic link with a target of 4096 bytes': [
    'has a target of 4096 bytes'.replace('has', 'is a symbolic link with'),
    [{ ...link('lib/x', ''), pax: { linkpath: 'y'.repeat(4096) } }],
  ],
  'a hard link to nothing': ['lib/x is a hard link to lib/y, which is not there', [hard('lib/x', 'lib/y')]],
  'a hard link to itself': ['lib/x is a hard link to lib/x, which is not there', [hard('lib/x', 'lib/x')]],
  'hard links in a circle': ['which is not there', [hard('lib/x', 'lib/y'), hard('lib/y', 'lib/x')]],
  'a hard link to a folder': [
    'lib/x is a hard link to bin, a directory',
    [{ name: 'bin/', type: '5' }, hard('lib/x', 'bin')],
  ],
  'a hard link to a symbolic link': [
    'lib/x is a hard link to lib/y, a symlink',
    [link('lib/y', 'z'), hard('lib/x', 'lib/y')],
  ],
  'a hard link to a file that comes later': [
    'lib/x is a hard link to lib/y',
    [hard('lib/x', 'lib/y'), { name: 'lib/y' }],
  ],
  'a hard link to a file that comes again': [
    'lib/x is a hard link to lib/y',
    [{ name: 'lib/y' }, hard('lib/x', 'lib/y'), { name: 'lib/y' }],
  ],
  'a file below a file': ['lib/x/y stands below lib/x, a file', [{ name: 'lib/x' }, { name: 'lib/x/y' }]],
  'a link in place of a folder that has files': [
    'lib/x is there twice, as a directory and as a symlink',
    [{ name: 'lib/x/y' }, link('lib/x', '/')],
  ],
  'a file in place of a link': [
    'lib/x is there twice, as a symlink and as a file',
    [link('lib/x', '/'), { name: 'lib/x' }],
  ],
  'a link in place of a file': [
    'lib/x is there twice, as a file and as a symlink',
    [{ name: 'lib/x' }, link('lib/x', '/')],
  ],
  'one name for all members': [
    'it has one path for all members',
    [{ name: 'x', type: 'g', content: '14 path=lib/x\n' }],
  ],
  'a size that is no number': ['lib/x has two sizes', [{ name: 'lib/x', pax: { size: '1e3' } }]],
  'a size of more than a double holds': ['lib/x has two sizes', [{ name: 'lib/x', pax: { size: '9'.repeat(16) } }]],
  'a time in 300 million years': ['lib/x has an impossible time', [{ name: 'lib/x', pax: { mtime: '9999999999999' } }]],
  'a time that is no number': ['lib/x has an impossible time', [{ name: 'lib/x', pax: { mtime: 'x' } }]],
  'two pax headers': [
    'is extended twice',
    [
      { name: 'x', type: 'x', content: '10 path=a\n' },
      { name: 'y', pax: { path: 'b' } },
    ],
  ],
}

for (const [what, [named, members]] of Object.entries(REFUSED)) {
  test(`an archive of conda-pack's with ${what} is refused by name`, async (context) => {
    await assert.rejects(read(context, condaPackTar(...(members as TarMember[]))), (error) => {
      assert.ok(error instanceof StageError, String(error))
      assert.equal(error.code, 'ARCHIVE_DAMAGED')
      assert.ok(error.message.includes(named.replace('\\0', '\0')), error.message)
      return true
    })
  })
}

const REFUSED_ZIPS: Record<string, [named: string, ZipMember]> = {
  'a FIFO': ['lib/x is neither a file nor a folder nor a link', { name: 'lib/x', mode: 0o010644 }],
  'a folder with content': ['lib/x/ is a directory with content', { name: 'lib/x/', content: 'x' }],
  'a folder without a slash': ['lib/x has the name of another type', { name: 'lib/x', mode: 0o040755 }],
  'a file with a slash': ['lib/x/ has the name of another type', { name: 'lib/x/', mode: 0o100644 }],
  'a symbolic link of a megabyte': [
    'is a symbolic link with a target of 1048576 bytes',
    { name: 'lib/x', mode: 0o120777, content: 'x'.repeat(2 ** 20), deflate: true },
  ],
  'a symbolic link without a target': ['lib/x is a symbolic link without a target', { name: 'lib/x', mode: 0o120777 }],
  'an encrypted member': [
    'lib/x is encrypted',
    { name: 'lib/x', content: 'x', deflate: true, forgeLocal: encrypted(6), forgeDirectory: encrypted(8) },
  ],
  'an unknown compression': [
    'lib/x is encrypted, or compressed in an unknown way',
    { name: 'lib/x', content: 'x', forgeLocal: method(8), forgeDirectory: method(10) },
  ],
  'a wrong checksum': ['lib/x has a wrong checksum', { name: 'lib/x', content: 'x', crc: 1 }],
  'a size that is too small': ["can't be read", { name: 'lib/x', content: 'xxxx', deflate: true, size: 3 }],
  'a size that is too large': ["can't be read", { name: 'lib/x', content: 'xxxx', deflate: true, size: 5 }],
  'a second name in Unicode': [
    'lib/x has two names',
    { name: 'lib/x', extra: Buffer.from('757005000100000000', 'hex') },
  ],
  'a name of 256 bytes': ['has a name of 256 bytes', { name: `lib/${'n'.repeat(256)}` }],
}

function encrypted(at: number) {
  return (header: Buffer) => {
    header[at]! |= 1
  }
}

function method(at: number) {
  return (header: Buffer) => {
    header[at] = 12
  }
}

for (const [what, [named, member]] of Object.entries(REFUSED_ZIPS)) {
  test(`a zip of conda-pack's with ${what} is refused by name`, async (context) => {
    await assert.rejects(read(context, condaPackZip(member)), (error) => {
      assert.ok(error instanceof StageError, String(error))
      assert.equal(error.code, 'ARCHIVE_DAMAGED')
      assert.ok(error.message.includes(named), error.message)
      return true
    })
  })
}

test("a zip of conda-pack's with bytes between its members, or a time of Windows, is read", async (context) => {
  const found = await read(context, condaPackZip({ name: 'lib/x', content: 'x', extra: LOCAL_TIME }, { name: 'lib/y' }))
  assert.equal(found.get('lib/x')?.content?.toString(), 'x')
})

test("names that differ in upper and lower case, as terminfo's do, are different files", async (context) => {
  const found = await read(
    context,
    condaPackTar({ name: 'share/terminfo/L/x', content: 'L' }, { name: 'share/terminfo/l/x', content: 'l' }),
  )
  assert.equal(found.get('share/terminfo/L/x')?.content?.toString(), 'L')
  assert.equal(found.get('share/terminfo/l/x')?.content?.toString(), 'l')
})

test('hard links to hard links are links to the same file', async (context) => {
  const found = await read(
    context,
    condaPackTar({ name: 'lib/a', content: 'x' }, hard('lib/b', 'lib/a'), hard('lib/c', './lib/b')),
  )
  for (const path of ['lib/b', 'lib/c']) {
    const { entry } = found.get(path)!
    assert.equal(entry.type === 'hardlink' && entry.target, 'lib/a')
  }
})

test('an archive whose list of prefixes is nonsense is not taken for one of conda-pack', async (context) => {
  const scripts = {
    'an empty placeholder': unpackScript('bin/tool').replace('/opt/placeholder', ''),
    'the root as a placeholder': unpackScript('bin/tool').replace('/opt/placeholder', '/'),
    'a relative placeholder': unpackScript('bin/tool').replace('/opt/placeholder', 'opt'),
    'code in the list': unpackScript('bin/tool').replace("'text'", "__import__('os')"),
    'a character beyond Unicode': unpackScript('\\Uffffffff').replace('/opt/placeholder', '\\Uffffffff'),
    'no end': '_prefix_records = [\n'.repeat(200_000),
    'a quote that never ends': `_prefix_records = [\n${"('".repeat(200_000)}\n]\n`,
  }
  for (const [what, script] of Object.entries(scripts))
    await assert.rejects(
      read(context, tar(...condaPackMembers().slice(0, 3), { name: 'bin/conda-unpack', content: script })),
      { code: 'ARCHIVE_FOREIGN' },
      what,
    )
})

const CHILD = fileURLToPath(new URL('./read-child.ts', import.meta.url))

/** Reads the archive in a process of its own. */
function readApart(path: string): { code: string; message: string; members: number; megabytes: number } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [CHILD, path], { encoding: 'utf8', timeout: 120_000 })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

/** A tar with one member more, of zeros that take no room on disk. */
function withZeros(path: string, size: number, script: string): void {
  const members = [
    ...condaPackMembers().slice(0, 3),
    { name: 'bin/conda-unpack', content: script },
    { name: 'lib/large', size },
  ]
  const head = Buffer.concat(members.map(tarMember))
  const file = openSync(path, 'w')
  writeSync(file, head)
  ftruncateSync(file, head.length + size + 1024)
  closeSync(file)
}

test('a member of any size is read in bounded memory, with a placeholder or without', (context) => {
  const path = `${folderOf(context)}/theirs.tar`
  for (const script of [unpackScript(), unpackScript('lib/large')]) {
    withZeros(path, 400 * 1024 * 1024, script)
    const { code, megabytes } = readApart(path)
    assert.equal(code, 'READ')
    assert.ok(megabytes < 350, `${megabytes} MB`)
  }
})

const BOMBS: Record<string, [says: string, make: () => Buffer]> = {
  'a member of 100 GB': [
    'lib/x brings it to 100000000145 bytes',
    () => gzipSync(condaPackTar({ name: 'lib/x', size: 1e11 })),
  ],
  'a member of 8 exabytes': ['lib/x brings it to', () => gzipSync(condaPackTar({ name: 'lib/x', size: 2 ** 53 - 1 }))],
  'a gigabyte of zeros behind its end': [
    'bytes of zeros follow its end',
    () => zstdCompressSync(Buffer.concat([condaPackTar(), Buffer.alloc(2 ** 30)])),
  ],
  'a link in a zip whose target is a gigabyte': [
    'is a symbolic link with a target of 1073741824 bytes',
    () => condaPackZip({ name: 'lib/x', mode: 0o120777, content: Buffer.alloc(2 ** 30), deflate: true }),
  ],
  'a member in a zip of more bytes than it says': [
    "lib/x can't be read (too many bytes in the stream",
    () => condaPackZip({ name: 'lib/x', content: Buffer.alloc(2 ** 30), deflate: true, size: 100 }),
  ],
}

for (const [what, [says, make]] of Object.entries(BOMBS)) {
  test(`an archive of conda-pack's with ${what} is refused in bounded time and memory`, (context) => {
    const path = `${folderOf(context)}/theirs`
    writeFileSync(path, make())
    const { code, message, megabytes } = readApart(path)
    assert.equal(code, 'ARCHIVE_DAMAGED')
    assert.ok(message.includes(says), message)
    assert.ok(megabytes < 350, `${megabytes} MB`)
  })
}

test('a zip of two files that are one, as in the bombs of David Fifield, is refused', async (context) => {
  const members = Array.from({ length: 50 }, (_, n) => ({
    name: `lib/${n}`,
    content: 'x',
    ...(n > 0 && { offset: 'lib/0', localName: 'lib/0' }),
  }))
  const bytes = zip([...condaPackMembers().map(({ name, content = '' }) => ({ name, content })), ...members])
  await assert.rejects(read(context, bytes), /its member lib\/1 has two headers that differ/)
})
