import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { zstdCompressSync } from 'node:zlib'
import * as v from 'valibot'
import { decodeFooter, encodeFooter, FOOTER_SIZE, SECTIONS } from '../../src/archive/format.ts'
import { relocationCheck } from '../../src/archive/index/check-relocation.ts'
import { containerSize, sectionStart, sha256 } from '../../src/archive/index/container.ts'
import { decodeEntries, decodeFrames } from '../../src/archive/index/decode.ts'
import { Columns } from '../../src/archive/index/encode.ts'
import { decodeHead } from '../../src/archive/index/head.ts'
import { Malformed } from '../../src/archive/read/malformed.ts'
import { NoTar, tarMembers } from '../../src/archive/read/tar-members.ts'
import { zipMembers } from '../../src/archive/read/zip-members.ts'
import { decodeFrame, readIndex } from '../../src/archive/reader.ts'
import { condaPackItems, openCondaPack } from '../../src/conda-pack/foreign/conda-pack-archive.ts'
import { MemberTree } from '../../src/conda-pack/foreign/member-tree.ts'
import { readPlaceholders } from '../../src/conda-pack/foreign/placeholders.ts'
import { wholeZstdFrames } from '../../src/conda-pack/foreign/zstd-frames.ts'
import { StageError } from '../../src/errors.ts'
import type { Relocation } from '../../src/model/relocation.ts'
import { applyToStream, applyToWhole } from '../../src/relocate/apply.ts'
import { encodings } from '../../src/relocate/encodings.ts'
import { planRelocation, reversePlan } from '../../src/relocate/plan.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { tar } from '../archive/hand-made-tar.ts'
import { hardTree, pack } from '../archive/support.ts'
import { condaPackMembers, condaPackTar, condaPackZip, unpackScript } from '../conda-pack/hand-made.ts'
import type { Target } from './fuzz.ts'
import type { Random } from './random.ts'
import { prepareImages, squashfsTarget } from './squashfs-target.ts'

const PREFIXES = ['/envs/demo', '/real/envs/demo']

/** Throws unless it is one of the errors by which a reader refuses what it reads. */
function expect(error: unknown, ...classes: (abstract new (...args: never[]) => Error)[]): void {
  if (!classes.some((one) => error instanceof one)) throw error
}

/** Bytes as an open file, without a file. */
const asHandle = (bytes: Buffer): FileHandle =>
  ({
    stat: async () => ({ size: bytes.length, isFile: () => true }),
    read: async (into: Buffer, offset: number, length: number, position: number) => ({
      bytesRead: position >= bytes.length ? 0 : bytes.copy(into, offset, position, position + length),
      buffer: into,
    }),
  }) as unknown as FileHandle

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const WORDS_OF_TAR = [
  ...[
    'ustar\x0000',
    'ustar  \0',
    'path=',
    'linkpath=',
    'size=',
    'mtime=',
    '30 mtime=1.5\n',
    'GNU.sparse.',
    '../',
    './',
    '/',
  ],
  ...['\0'.repeat(512), '\0'.repeat(1024), 'x', 'g', 'L', 'K', '1', '2', '5', '\x80', '\xff', 'bin/conda-unpack'],
]

const members = () => [
  ...condaPackMembers(),
  { name: 'lib/', type: '5' },
  { name: 'lib/link', type: '2', link: '../bin/tool' },
  { name: 'lib/hard', type: '1', link: 'bin/tool' },
  { name: 'x', content: 'long', pax: { path: `lib/${'l'.repeat(200)}`, mtime: '1700000000.5', size: '4' } },
  { name: 'x', content: 'gnu', gnu: { L: `lib/${'g'.repeat(120)}`, K: 'target' } },
]

/** Makes the checksum of each block right that has the mark of a header. */
function withRightSums(bytes: Buffer): Buffer {
  const result = Buffer.from(bytes)
  for (let at = 0; at + 512 <= result.length; at += 512) {
    const block = result.subarray(at, at + 512)
    if (block.toString('latin1', 257, 262) !== 'ustar') continue
    block.fill(' ', 148, 156)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  }
  return result
}

const tarTarget: Target = {
  files: ['/archive/read/tar', '/archive/read/byte-reader', '/archive/read/member.ts', '/foreign/member-tree'],
  words: WORDS_OF_TAR,
  seeds: () => [tar(...members()), tar(), tar(...members().slice(-2))],
  repair: withRightSums,
  async run(bytes) {
    const tree = new MemberTree()
    try {
      for await (const member of tarMembers(inPieces(bytes, 700))) {
        tree.add(member)
        const { path, type, size } = member
        if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`it leads out: ${path}`)
        let read = 0
        for await (const chunk of member.content) read += chunk.length
        if (type === 'file' && read !== size) throw new Error(`${path} has ${read} bytes instead of ${size}`)
      }
      tree.finish('')
    } catch (error) {
      expect(error, Malformed, NoTar)
    }
  },
}

const condaPackTarget: Target = {
  files: ['/foreign/conda-pack-archive', '/foreign/members', '/foreign/member-tree', '/foreign/placeholders'],
  words: [...WORDS_OF_TAR, "('", "', '", "text'", '_prefix_records = [\n', '\n]\n', '/opt/placeholder', '\\x', '\\U'],
  seeds: () => [
    tar(...members()),
    condaPackTar(
      { name: 'etc/x', content: '/opt/placeholder/x' },
      { name: 'bin/conda-unpack', content: unpackScript('bin/tool', 'etc/x') },
    ),
  ],
  repair: withRightSums,
  async run(bytes) {
    const handle = asHandle(bytes)
    try {
      const archive = await openCondaPack('/theirs.tar', handle)
      const options = { prefixes: PREFIXES, mtimeNs: 0n, beside: '/nowhere/x', onNoRoom: () => {} }
      for await (const { entry, content } of condaPackItems(archive, handle, options)) {
        if (entry.path.startsWith('/') || entry.path.split('/').includes('..'))
          throw new Error(`it leads out: ${entry.path}`)
        let size = 0
        if (content) for await (const chunk of content.chunks as AsyncIterable<Buffer>) size += chunk.length
        if (entry.type === 'file' && size !== entry.size)
          throw new Error(`${entry.path} has ${size} bytes instead of ${entry.size}`)
      }
    } catch (error) {
      expect(error, StageError)
    }
  },
}

const placeholders: Target = {
  files: ['/foreign/placeholders'],
  words: [
    "'",
    '"',
    '\\',
    '\\x41',
    '\\u00e9',
    '\\U0001f600',
    '\\udc80',
    ', ',
    '(',
    ')',
    "'text'",
    "'binary'",
    '\n',
    '\n]\n',
  ],
  seeds: () =>
    [unpackScript('bin/tool', 'lib/x'), unpackScript(), unpackScript('a\\x41\\udcff')].map((text) => Buffer.from(text)),
  run(bytes) {
    for (const [path, { text }] of readPlaceholders(bytes.toString('utf8')) ?? []) {
      if (/[^\0-\xff]/.test(path)) throw new Error('a path that is not made of bytes')
      if (!text.startsWith('/') || text.length < 2) throw new Error(`the placeholder ${text}`)
    }
  },
}

let scratch: string | undefined
const zipTarget: Target = {
  files: ['/archive/read/zip-members'],
  words: [
    'PK\x03\x04',
    'PK\x01\x02',
    'PK\x05\x06',
    'PK\x06\x06',
    'PK\x06\x07',
    '\xff\xff\xff\xff',
    '../',
    '/',
    '\x75\x70',
    'UT',
  ],
  seeds: () => [
    condaPackZip({ name: 'lib/' }, { name: 'lib/link', content: '../bin/tool', mode: 0o120777 }),
    condaPackZip(),
  ],
  async run(bytes) {
    if (scratch === undefined) {
      scratch = mkdtempSync(`${tmpdir()}/fuzz-`)
      process.once('exit', () => rmSync(scratch!, { recursive: true, force: true }))
    }
    const path = `${scratch}/zip`
    writeFileSync(path, bytes)
    const handle = await open(path)
    try {
      for await (const { path, content } of zipMembers(handle)) {
        if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`it leads out: ${path}`)
        for await (const _ of content);
      }
    } catch (error) {
      expect(error, Malformed)
    } finally {
      await handle.close()
    }
  },
}

const zstdTarget: Target = {
  files: ['/foreign/zstd-frames'],
  words: ['\x28\xb5\x2f\xfd', '\x50\x2a\x4d\x18', '\x5f\x2a\x4d\x18', '\x00', '\xff'],
  seeds: () => [
    Buffer.concat([
      zstdCompressSync(Buffer.from('some bytes')),
      Buffer.from('502a4d180300000001020304', 'hex').subarray(0, 11),
    ]),
    zstdCompressSync(Buffer.alloc(3000, 'x')),
  ],
  async run(bytes) {
    const found: Buffer[] = []
    try {
      for await (const piece of wholeZstdFrames(inPieces(bytes, 13))) found.push(Buffer.from(piece))
    } catch (error) {
      expect(error, Malformed)
      return
    }
    if (!Buffer.concat(found).equals(bytes)) throw new Error('other bytes came out')
  },
}

/** A small archive of ours in each format. It is the same for every run of the fuzzer. */
let archives: Buffer[] | undefined
async function smallArchives(): Promise<Buffer[]> {
  const folder = mkdtempSync(`${tmpdir()}/fuzz-`)
  const made: Buffer[] = []
  for (const format of ['tar', 'tar.zst', 'tar.gz', 'zip']) {
    const small = hardTree().filter(({ entry }) => entry.path !== 'lib/random')
    await pack(`${folder}/x.${format}`, small)
    made.push(readFileSync(`${folder}/x.${format}`))
  }
  rmSync(folder, { recursive: true })
  return made
}

/** To be awaited before the seeds are asked for. */
export async function prepareTargets(): Promise<void> {
  archives ??= await smallArchives()
  prepareImages()
}

/** Makes the checksums of the index right, if its end can be found. */
function withRightFooter(bytes: Buffer): Buffer {
  const result = Buffer.from(bytes)
  const at = result.lastIndexOf('CSTAGEIX')
  if (at === -1 || at + FOOTER_SIZE > result.length) return result
  const end = result.subarray(at, at + FOOTER_SIZE)
  // Its own checksum first: without a right one, nothing of it is known.
  const whole = Buffer.concat([end.subarray(0, 224), Buffer.from(sha256(end.subarray(0, 224)), 'hex')])
  const footer = decodeFooter(whole)
  if (typeof footer === 'string') return result
  const skipped = containerSize(footer.format, 0) - FOOTER_SIZE
  for (const name of SECTIONS) {
    const from = footer.indexOffset + skipped + sectionStart(footer, name)
    const { storedSize } = footer.sections[name]
    if (from + storedSize <= result.length && storedSize < 2 ** 20)
      footer.sections[name].sha256 = sha256(result.subarray(from, from + storedSize))
  }
  try {
    encodeFooter(footer).copy(result, at)
  } catch {
    // Numbers that no footer can hold.
  }
  return result
}

const archiveTarget: Target = {
  files: ['/archive/reader', '/archive/format', '/archive/codec', '/archive/index/container'],
  words: [
    'CSTAGEIX',
    '\x2a\x4d\x18',
    '\x1f\x8b',
    'CS',
    'PK\x05\x06',
    '; its index ends at byte 0000',
    'comment=conda-stage archive',
  ],
  seeds: () => archives ?? [],
  repair: withRightFooter,
  async run(bytes) {
    try {
      const index = await readIndex('/ours', asHandle(bytes))
      for (const frame of index.frames) {
        const stored = bytes.subarray(frame.offset, frame.offset + frame.compressedSize)
        decodeFrame(stored, { format: index.format, path: '/ours' }, frame)
      }
    } catch (error) {
      expect(error, StageError)
    }
  },
}

/** The JSON of an index: columns, head, and how many bytes of digests there are. */
const indexTarget: Target = {
  files: [
    '/archive/index/decode',
    '/archive/index/check-relocation',
    '/archive/index/relocations',
    '/archive/index/head',
  ],
  words: [
    ...[
      'null',
      '-1',
      '0',
      '1e300',
      '0.5',
      '""',
      '[]',
      '{}',
      '[null]',
      '"utf8"',
      '"utf16le"',
      '"elf"',
      '"pyc-only"',
      '"escaped":',
    ],
    ...[
      '"end":',
      '"room":',
      '"counted":',
      '"head":',
      '"outward":',
      '"dynamic":',
      '..',
      '/',
      '\\u0000',
      '__proto__',
      'd',
      'f',
      'l',
      'h',
    ],
  ],
  seeds: () => [Buffer.from(JSON.stringify(SEED)), Buffer.from(JSON.stringify({ ...SEED, head: undefined }))],
  change: withOtherValue,
  run(bytes) {
    let given: { columns: unknown; head: unknown; digests: number }
    try {
      given = JSON.parse(bytes.toString('utf8'))
    } catch {
      return
    }
    if (typeof given !== 'object' || given === null) return
    let prefixes = PREFIXES
    try {
      if (given.head !== undefined) prefixes = decodeHead(Buffer.from(JSON.stringify(given.head))).prefixes
      const columns = v.parse(Columns, given.columns, { abortEarly: true })
      const frames = decodeFrames(
        'tar.zst',
        columns,
        0,
        columns.compressedSizes.reduce((sum, size) => sum + size, 0),
      )
      const entries = decodeEntries(columns, Buffer.alloc(16 * columns.sizes.length), { frames, prefixes })
      const paths = new Set(entries.map(({ path }) => path))
      if (paths.size !== entries.length) throw new Error('a path twice')
      for (const entry of entries) {
        if (entry.path.split('/').includes('..')) throw new Error(`it leads out: ${entry.path}`)
        if (entry.type !== 'file' || !entry.relocation || entry.size > 100_000) continue
        relocate(Buffer.alloc(entry.size, '#!/x\0y/envs/demo'), entry.relocation, { path: entry.path, prefixes })
      }
    } catch (error) {
      expect(error, Malformed, v.ValiError)
    }
  },
}

/** Values that somebody might put in the place of another one. */
const VALUES = [
  ...[-1, 0, 1, 2, 3, 5, 17, 20, 60, 0.5, 2 ** 31, 2 ** 53, 1e300, null, true, '', 'x', '..', '/', [], {}, [0], [null]],
  ...[
    'utf8',
    'utf16le',
    'xml',
    'elf',
    'text',
    'pyc',
    'pyc-only',
    'binary',
    'container',
    'ddffflh',
    'fdddd',
    '__proto__',
  ],
  ...[
    { offset: 5, prefix: 0, encoding: 'utf8' },
    { offset: 40, length: 9 },
    { offset: 0, text: '/envs/demo', list: false },
  ],
]

const valueFrom = (random: Random): unknown => structuredClone(random.from(VALUES))

/** Puts another value somewhere into the JSON, or one more, or takes one away. */
function withOtherValue(bytes: Buffer, random: Random): Buffer {
  let whole: unknown
  try {
    whole = JSON.parse(bytes.toString('utf8'))
  } catch {
    return bytes
  }
  for (let ways = 1 + random.below(3); ways > 0; ways--) {
    let at = whole as Record<string, unknown>
    for (;;) {
      if (typeof at !== 'object' || at === null) break
      const keys = Object.keys(at)
      if (keys.length === 0) break
      const key = random.from(keys)
      const next = at[key]
      if (typeof next === 'object' && next !== null && !random.oneIn(8)) {
        at = next as Record<string, unknown>
        continue
      }
      if (typeof next === 'number' && random.oneIn(2)) at[key] = next + random.from([-1, 1, 2, -10, 512])
      else if (Array.isArray(at) && random.oneIn(4)) at.splice(Number(key), random.below(2), valueFrom(random))
      else if (random.oneIn(6)) delete at[key]
      else
        at[
          random.oneIn(5)
            ? random.from(['end', 'room', 'counted', 'head', 'outward', 'dynamic', 'escaped', 'shared'])
            : key
        ] = valueFrom(random)
      break
    }
  }
  return Buffer.from(JSON.stringify(whole))
}

const SEED = {
  digests: 3,
  head: {
    ...{
      generator: 'x',
      platform: 'x',
      name: 'demo',
      prefixes: PREFIXES,
      siblings: [['2'], null],
      created: '',
      whole: { level: 3 },
    },
    ...{
      totals: { entries: 1, files: 1, bytes: 1, frames: 1 },
      watched: [['bin', 'file', 420, 5, 1, 1]],
      spotChecks: ['bin'],
    },
  },
  columns: {
    ...{
      types: 'ddffflh',
      names: 'bin/a/b/c/l/h',
      parents: [0, 1, 1, 1, 0, 0],
      modes: [493, 493, 420, 420, 420, 511, 420],
    },
    ...{
      seconds: [1, 1, 1, 1, 1, 1, 1],
      nanos: [0, 0, 5, 0, 0, 0, 0],
      targets: ['bin/a'],
      links: [2],
      sizes: [60, 60, 60],
    },
    ...{ frames: [0, 0, 1], offsets: [0, 100, 0], packageOf: [0, -1, -1], packages: ['p-1-0'] },
    placeholders: [[0, '/opt/p', 'binary']],
    relocations: [
      [
        0,
        {
          kind: 'elf',
          occurrences: [{ offset: 2, prefix: 0, encoding: 'utf8', end: 20, room: 5 }],
          dynamic: [{ offset: 2, text: '/envs/demo/lib:/xyz', list: true, shared: 5 }],
        },
      ],
      [
        1,
        {
          kind: 'text',
          head: 20,
          occurrences: [{ offset: 2, prefix: 0, encoding: 'utf8' }],
          escaped: [{ offset: 30, prefix: 0, encoding: 'xml' }],
          outward: [{ offset: 50, length: 5 }],
        },
      ],
      [
        2,
        {
          kind: 'pyc-only',
          occurrences: [{ offset: 7, prefix: 0, encoding: 'utf8', counted: 5, end: 17 }],
          sealed: 1,
          fixed: true,
          readable: true,
        },
      ],
    ],
    ...{ frameSizes: [1000, 1000], compressedSizes: [50, 50], storedChecksums: [1, 2] },
  },
}

const PATHS = [
  'bin/tool',
  'lib/x.pyc',
  'lib/__pycache__/x.cpython-311.pyc',
  'lib/python3/site-packages/x.pth',
  'lib/x.so',
  'x.jar',
]
const TARGETS = ['/tmp/demo1', '/t', `/tmp/${'long/'.repeat(30)}demo`, "/tmp/a b'c$d"]

/** Relocates to places of every length, in one and in many pieces, and back. */
function relocate(
  data: Buffer,
  relocation: Relocation,
  { path, prefixes }: { path: string; prefixes: readonly string[] },
): void {
  for (const to of TARGETS) {
    const plan = planRelocation(relocation, { path }, prefixes, to)
    const whole = applyToWhole(data, plan)
    if (
      ['elf', 'binary', 'pyc', 'container'].includes(relocation.kind) &&
      !relocation.outward &&
      whole.length !== data.length
    )
      throw new Error(`${relocation.kind}: ${whole.length} bytes instead of ${data.length}`)
    if (plan.sameLength && whole.length !== data.length) throw new Error('another length')
  }
}

const relocateTarget: Target = {
  files: ['/relocate/'],
  words: [
    ...Object.values(encodings).map((spell) => spell(PREFIXES[0]!).toString('latin1')),
    ...[
      '/real/envs/demo',
      '/envs/demo2',
      '\x7fELF\x02\x01\x01',
      '#!',
      'PK\x03\x04',
      'PK\x05\x06',
      '\xf3\r\r\n',
      '\x03\xf3\r\n',
      'SQLite format 3\0',
    ],
    ...[
      "\n'''exec' ",
      '#!/bin/sh\n',
      '/usr/bin/env -S ',
      'coding: utf-8',
      '../../../x',
      'Go\0\0',
      'rustc version ',
      '\0'.repeat(100),
      'z\x0a',
      '\xe9',
      '[(',
    ],
  ],
  seeds: () => [
    Buffer.from('\x00#!/envs/demo/bin/python\nprint("/envs/demo/lib")\n', 'latin1'),
    Buffer.from(`\x05\x7fELF\x02\x01\x01${'\0'.repeat(60)}/envs/demo/lib:/real/envs/demo${'\0'.repeat(60)}x`, 'latin1'),
    Buffer.from('\x01\x03\xf3\r\n\0\0\0\0z\x0e/envs/demo/x.pN', 'latin1'),
    Buffer.from('\x03../../../../x\n/envs/demo/y\n', 'latin1'),
    Buffer.concat([Buffer.from([4]), Buffer.from('{"a": "\\/envs\\/demo"}'), Buffer.from('/envs/demo/x', 'utf16le')]),
    Buffer.concat([Buffer.from([0]), Buffer.from('#!/envs/demo/bin/python\n'), condaPackZip()]),
  ],
  async run(bytes) {
    const path = PATHS[(bytes[0] ?? 0) % PATHS.length]!
    const data = bytes.subarray(1)
    const placeholder = {
      text: `/opt/${'p'.repeat(200)}`,
      mode: ((bytes[0] ?? 0) & 16) === 0 ? 'binary' : 'text',
    } as const
    const file = { path, size: data.length, ...(((bytes[0] ?? 0) & 8) !== 0 && { placeholder }) }
    const scan = (size: number) => {
      const scanner = new PrefixScanner(PREFIXES, file, [['2'], null])
      for (let at = 0; at < data.length; at += size) scanner.push(data.subarray(at, at + size))
      return scanner.finish()
    }
    const relocation = scan(Math.max(1, data.length))
    // Paths out of the environment are looked for in a whole file only.
    const inside = (found: Relocation | undefined) =>
      found?.occurrences.length ? { ...found, outward: undefined } : undefined
    if (!isDeepStrictEqual(inside(relocation), inside(scan(37)))) throw new Error('what is found depends on the pieces')
    if (relocation === undefined) return
    const wrong = relocationCheck(PREFIXES)(relocation, data.length)
    if (wrong !== undefined) throw new Error(`the scanner's own relocation ${wrong}`)
    relocate(data, relocation, { path, prefixes: PREFIXES })
    for (const to of TARGETS) {
      const plan = planRelocation(relocation, { path }, PREFIXES, to)
      const whole = applyToWhole(data, plan)
      const pieces: Buffer[] = []
      for await (const piece of applyToStream(inPieces(data, 29), plan)) pieces.push(Buffer.from(piece))
      if (!Buffer.concat(pieces).equals(whole)) throw new Error('what is written depends on the pieces')
      if (plan.sameLength && !applyToWhole(whole, reversePlan(plan)).equals(data))
        throw new Error('it can not be undone')
    }
  },
}

export const targets: Readonly<Record<string, Target>> = {
  image: squashfsTarget,
  archive: archiveTarget,
  index: indexTarget,
  tar: tarTarget,
  'conda-pack': condaPackTarget,
  placeholders,
  zip: zipTarget,
  zstd: zstdTarget,
  relocate: relocateTarget,
}
