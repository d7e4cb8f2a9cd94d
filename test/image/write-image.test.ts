/** Images hold what was packed, whichever program makes them. */
import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { readIndex } from '../../src/archive/reader.ts'
import { verifyImage } from '../../src/image/verify-image.ts'
import type { ArchiveIndex } from '../../src/model/archive-index.ts'
import { bytesOf } from '../../src/model/byte-path.ts'
import type { Entry } from '../../src/model/entry.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { tree } from '../archive/random-tree.ts'
import { digestOf, directory, file, HEADER, hardlink, run, symlink, workFolder } from '../archive/support.ts'
import { make, PROGRAMS, programIn, script, verified } from './support.ts'

for (const name of PROGRAMS)
  test(`whatever an environment holds, its image has it with the same bytes, names, modes and links (${name})`, async (context) => {
    const folder = await workFolder(context)
    const program = programIn(folder, name)
    await fc.assert(
      fc.asyncProperty(tree, async (items) => {
        const path = await make(items, { folder, program })
        const { index, findings } = await verified(path)
        assert.deepEqual(findings, [])
        assert.deepEqual(new Map(index.entries.map((entry) => [entry.path, timeOf(entry)])), timesOf(items))
        unlinkSync(path)
      }),
      { numRuns: 20 },
    )
  })

const timeOf = ({ mtimeNs, mode }: Entry): string => `${mode} ${mtimeNs}`

const timesOf = (items: readonly ArchiveItem[]): Map<string, string> =>
  new Map(items.map(({ entry }) => [entry.path, timeOf(entry)]))

const LARGE = Buffer.concat([Buffer.alloc(3_000_000, 'conda'), Buffer.alloc(5_000_000), Buffer.alloc(777, 'end')])
const ODD = [
  directory(''),
  directory('empty', { mode: 0o555 }),
  file('secret', 'nobody reads this', { mode: 0 }),
  file('sparse', Buffer.alloc(20_000_000)),
  file('large', LARGE),
  file('old', 'before 1970', { mtimeNs: -86_400_000_000_001n }),
  file('exact', 'to the nanosecond', { mtimeNs: 1_700_000_000_123_456_789n }),
  file('first', 'two names', { mode: 0o640 }),
  hardlink('second', 'first', { mode: 0o640 }),
  symlink('dangling', '/nowhere/at all'),
  symlink('far', `/${'far/'.repeat(40)}`),
  symlink('up', `../${'up/'.repeat(40)}`),
  symlink('f'.repeat(200), `./${'\xe9/'.repeat(3)}`),
  file('n'.repeat(255), 'long'),
  file('caf\xe9\n', 'not UTF-8, and a newline'),
  file('none', ''),
]

for (const name of PROGRAMS)
  test(`another program unpacks from an image what was packed (${name})`, async (context) => {
    const folder = await workFolder(context)
    const path = await make(ODD, { folder, program: programIn(folder, name) })
    await run('unsquashfs', ['-no-progress', '-d', `${folder}/there`, path])
    for (const { entry } of ODD) {
      const at = Buffer.concat([Buffer.from(`${folder}/there/`), bytesOf(entry.path)])
      const facts = lstatSync(at, { bigint: true })
      const seconds = entry.mtimeNs < 0n ? 0n : entry.mtimeNs / 1_000_000_000n
      if (entry.path !== '') assert.equal(facts.mtimeNs / 1_000_000_000n, seconds, entry.path)
      if (entry.type === 'symlink') assert.equal(readlinkSync(at, 'latin1'), entry.target)
      else if (entry.path !== '') assert.equal(Number(facts.mode) & 0o7777, entry.mode, entry.path)
      if (entry.type === 'file') assert.equal(digestOf(readFileSync(at)), digestOf(contentOf(entry.path)), entry.path)
    }
    assert.equal(statSync(`${folder}/there/second`).ino, statSync(`${folder}/there/first`).ino)
    assert.deepEqual(readdirSync(`${folder}/there/empty`), [])
    assert.ok(statSync(path).size < 1_000_000)
  })

const contentOf = (path: string): Buffer => ODD.find(({ entry }) => entry.path === path)!.content!.chunks as Buffer

test('an image is followed by zeros up to a border of 4096 bytes, and other programs read it as if nothing came behind', async (context) => {
  const folder = await workFolder(context)
  const path = await make(ODD, { folder, program: '/usr/bin/mksquashfs' })
  const { index } = await verified(path)
  const end = index.frames.reduce((sum, { size }) => sum + size, 0)
  assert.equal(end % 4096, 0)
  assert.equal(readFileSync(path).readBigUInt64LE(40) <= BigInt(end), true)
  const { stdout } = await run('unsquashfs', ['-s', path])
  assert.match(stdout, /Compression zstd/)
})

for (const [what, lines, says] of [
  ['fails', ['cat > /dev/null', 'echo "FATAL ERROR: out of luck" >&2', 'exit 1'], /out of luck/],
  ['ends before it has read everything', ['echo "no more" >&2', 'exit 1'], /no more/],
  [
    'leaves something out without a word',
    ['cat > /dev/null', 'cd "$(mktemp -d)" && exec /usr/bin/mksquashfs . "$2" -noappend -no-progress'],
    /is in the index, but not in the image/,
  ],
  ['makes no image', ['cat > /dev/null', 'echo nothing > "$2"'], /its beginning is not what was written/],
] as const)
  test(`if the program that makes images ${what}, the call fails and leaves nothing`, async (context) => {
    const folder = await workFolder(context)
    const program = script(folder, ['[ "$1" != -help ] || { echo "-tar"; exit; }', ...lines])
    await assert.rejects(make(ODD, { folder, program }), { message: says })
    assert.deepEqual(readdirSync(folder), ['mksquashfs'])
  })

test('a program that reads no more is stopped when packing is cancelled, and nothing is left', async (context) => {
  const folder = await workFolder(context)
  const program = script(folder, ['[ "$1" != -help ] || { echo "-tar"; exit; }', 'exec sleep 60'])
  const signal = AbortSignal.timeout(300)
  await assert.rejects(make(ODD, { folder, program, signal }), { code: 'CANCELLED' })
  assert.deepEqual(readdirSync(folder), ['mksquashfs'])
})

test('a file that shrinks while it is packed stops the program, and nothing is left', async (context) => {
  const folder = await workFolder(context)
  const short: ArchiveItem = {
    entry: { ...ODD[4]!.entry, path: 'short', size: 9_000_000 } as Entry,
    content: ODD[4]!.content!,
  }
  await assert.rejects(make([...ODD, short], { folder, program: '/usr/bin/mksquashfs' }), { code: 'CHANGED' })
  await sleep(50)
  assert.deepEqual(readdirSync(folder), [])
})

for (const [name, at] of [
  ['the contents', 0.3],
  ['the list of files', 0.97],
] as const)
  test(`a changed byte in ${name} of an image is found`, async (context) => {
    const folder = await workFolder(context)
    const noise = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * n * 31 + (n >> 3)) & 0xff))
    const path = await make([...ODD, file('noise', noise)], { folder, program: '/usr/bin/mksquashfs' })
    const { index } = await verified(path)
    const bytes = readFileSync(path)
    const end = Number(bytes.readBigUInt64LE(40))
    const place = at < 0.9 ? Math.floor(end * at) : Number(bytes.readBigUInt64LE(64)) + 20
    bytes[place]! ^= 0x40
    writeFileSync(path, bytes)
    assert.equal(index.entries.length, ODD.length + 1)
    assert.notDeepEqual((await verified(path)).findings, [])
  })

test('whatever is changed in an image, --verify ends with findings, and with nothing else', async (context) => {
  const folder = await workFolder(context)
  const path = await make(ODD, { folder, program: '/usr/bin/mksquashfs' })
  const sound = readFileSync(path)
  const end = Number(sound.readBigUInt64LE(40))
  const tables = Number(sound.readBigUInt64LE(64))
  const place = fc.oneof(fc.nat(95), fc.integer({ min: tables, max: end - 1 }), fc.nat(end - 1))
  const change = fc.tuple(place, fc.integer({ min: 1, max: 255 }))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
      const bytes = Buffer.from(sound)
      for (const [at, by] of changes) bytes[at]! ^= by
      writeFileSync(path, bytes)
      const handle = await open(path)
      try {
        // The index behind the image is whole, and says what should be there.
        const index = await indexOf(sound, folder)
        const findings = await verifyImage(path, handle, index, { generator: HEADER.generator, onChecked: () => {} })
        assert.ok(findings.every(({ why }) => why.length > 0))
      } finally {
        await handle.close()
      }
    }),
    { numRuns: 200 },
  )
})

let sound: Promise<ArchiveIndex> | undefined

function indexOf(image: Buffer, folder: string): Promise<ArchiveIndex> {
  const path = `${folder}/sound.sqfs`
  sound ??= Promise.resolve(writeFileSync(path, image)).then(() => readIndex(path))
  return sound
}
