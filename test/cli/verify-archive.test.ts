/** --verify of archives, whoever made them. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import { forge } from '../archive/forge.ts'
import { condaPack } from '../conda-pack/conda-pack.ts'
import { copiedWorld, fails, run, succeed, type World, world } from './world.ts'

const ASKS_FOR_PACKING = 'Rebuild it with: conda-stage --pack --force'

async function findings(place: World, args: readonly string[]) {
  const { status, stdout } = await run(place, ['--verify', ...args, '--json'])
  return { status, ...(JSON.parse(stdout) as { findings: { kind: string; path: string; harmless: boolean }[] }) }
}

test('--verify in an environment that is not staged checks its archive', async (context) => {
  const place = await world(context, { byHand: true })
  await fails(place, ['--verify', `--prefix=${place.prefix}`], {
    code: 'NO_ARCHIVE',
    path: place.prefix,
    says: 'is not staged, and has no archive',
    hint: 'conda-stage --pack',
  })
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const { stdout, stderr } = await succeed(place, ['--verify'], { env: { CONDA_PREFIX: place.prefix } })
  assert.equal(stdout, '')
  assert.match(
    stderr,
    new RegExp(`^INFO: ${place.archive} is sound: \\d+ files, .*, made by conda-stage \\(0 harmless findings\\)\n$`),
  )
})

for (const format of ['tar.zst', 'tar.gz', 'tar', 'zip', 'tar.bz2'] as const)
  test(`--verify --output checks a ${format} without its environment, and finds one changed byte`, async (context) => {
    const place = await world(context, { byHand: true })
    const file = `${place.root}/mine.${format}`
    await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${file}`, `--format=${format}`])
    const nowhere = { env: { CONDA_PREFIX: undefined } }
    const { stderr } = await succeed(place, ['--verify', `--output=${file}`], nowhere)
    assert.match(stderr, new RegExp(`^INFO: ${file} is sound: \\d+ files, `))
    const before = readFileSync(file)
    const bytes = Buffer.from(before)
    bytes[await insideContent(file, bytes.length)]! ^= 0x10
    writeFileSync(file, bytes)
    const { status, stdout, stderr: says } = await run(place, ['--verify', `--output=${file}`], nowhere)
    assert.equal(status, 1, says)
    assert.match(stdout, /^MATTERS {3}archive: /m)
    assert.match(says, new RegExp(`ERROR: ${file}: \\d+ of \\d+ findings matter\n {7}${ASKS_FOR_PACKING}`))
    assert.deepEqual(readFileSync(file), bytes)
  })

/** The middle of an archive may be a byte of a zip's headers that nobody reads. */
async function insideContent(file: string, size: number): Promise<number> {
  const index = await readIndex(file).catch(() => undefined)
  if (index === undefined) return size >> 1
  const { offset, compressedSize } = index.frames.reduce((a, b) => (b.compressedSize > a.compressedSize ? b : a))
  return offset + (compressedSize >> 1)
}

for (const format of ['tar.gz', 'tar', 'zip'] as const)
  test(`--verify --output checks a ${format} of conda-pack as far as it can, and finds that it is cut`, async (context) => {
    const place = await world(context)
    const file = `${place.root}/theirs.${format}`
    await condaPack(place.prefix, file, ...(format === 'zip' ? ['--zip-symlinks'] : []))
    const { stderr } = await succeed(place, ['--verify', `--output=${file}`])
    assert.match(stderr, new RegExp(`INFO: ${file} is sound: .* made by conda-pack; it has no index, so what it held`))
    truncateSync(file, statSync(file).size - 2000)
    const { status, stdout, stderr: says } = await run(place, ['--verify', `--output=${file}`])
    assert.equal(status, 1)
    assert.match(stdout, new RegExp(`^MATTERS {3}archive: The archive ${file} (is damaged|can't be read): `))
    assert.match(says, /Make it again with conda-pack/)
  })

test('archives for elsewhere are sound, too: in a folder, for another prefix, or without some files', async (context) => {
  const place = await world(context, { byHand: true })
  const file = `${place.root}/mine.tar.gz`
  for (const args of [['--arcroot=some/folder'], ['--dest-prefix=/opt/elsewhere'], ['--exclude=*.txt']]) {
    await succeed(place, ['--pack', '--force', `--prefix=${place.prefix}`, `--output=${file}`, ...args])
    const { stderr } = await succeed(place, ['--verify', `--output=${file}`])
    assert.match(stderr, /is sound/, args.join(' '))
  }
})

test('what was made of an archive of conda-pack is sound', async (context) => {
  const place = await world(context, { byHand: true })
  const file = `${place.root}/theirs.tar`
  await condaPack(place.prefix, file)
  await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`])
  const { readdirSync } = await import('node:fs')
  const cache = `${place.root}/cache/conda-stage`
  const converted = readdirSync(cache).find((name) => name.endsWith('.tar.zst'))
  const { stderr } = await succeed(place, ['--verify', `--output=${cache}/${converted}`])
  assert.match(stderr, /is sound/)
})

test('--verify finds that an archive would not be used, because of its owner, its mode or a link', async (context) => {
  const place = await copiedWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  chmodSync(place.archive, 0o664)
  const matters = async (file = place.archive) => {
    const { status, findings: all } = await findings(place, [`--output=${file}`])
    return [status, ...all.map(({ kind, harmless }) => `${kind}${harmless ? ' harmless' : ''}`)]
  }
  assert.deepEqual(await matters(), [1, 'archive'])
  chmodSync(place.archive, 0o644)
  symlinkSync(place.archive, `${place.root}/link.tar.zst`)
  assert.deepEqual(await matters(`${place.root}/link.tar.zst`), [1, 'archive'])
  if (process.getuid?.() === 0) {
    chownSync(place.archive, 12345, 12345)
    assert.deepEqual(await matters(), [1, 'archive'])
    chownSync(place.archive, 0, 0)
  }
  assert.deepEqual(await matters(), [0])
})

test('--verify lists each entry about which an index lies, and an index that makes no sense as one finding', async (context) => {
  const place = await copiedWorld(context)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  forge(place.archive, ({ digests }) => {
    digests[0]! ^= 1
    return undefined
  })
  const { status, findings: found } = await findings(place, [`--prefix=${place.prefix}`])
  assert.deepEqual([status, found.map(({ kind }) => kind)], [1, ['content']])
  forge(place.archive, ({ columns }) => {
    columns.names = columns.names.replace(/[^/]*$/, '..')
    return undefined
  })
  const { status: second, findings: one } = await findings(place, [`--prefix=${place.prefix}`])
  assert.deepEqual([second, one.map(({ kind }) => kind)], [1, ['archive']])
  const { stdout } = await run(place, ['--verify', `--output=${place.archive}`])
  assert.match(
    stdout,
    /^MATTERS {3}archive: The archive .* is damaged: its index makes no sense \(its entry .* leads out of it\)\n$/,
  )
})

test('--verify of what is no archive, or is not there, is an error that names it', async (context) => {
  const place = await copiedWorld(context)
  const file = `${place.root}/notes.txt`
  writeFileSync(file, 'some notes')
  await fails(place, ['--verify', `--output=${file}`], {
    code: 'ARCHIVE_FOREIGN',
    path: file,
    hint: 'It is left alone',
  })
  await fails(place, ['--verify', `--output=${place.root}/gone.tar.gz`], {
    code: 'ARCHIVE_UNREADABLE',
    path: `${place.root}/gone.tar.gz`,
    hint: '',
  })
  const { execFileSync } = await import('node:child_process')
  execFileSync('mkfifo', [`${place.root}/fifo.tar`])
  await fails(place, ['--verify', `--output=${place.root}/fifo.tar`], {
    code: 'ARCHIVE_FOREIGN',
    path: `${place.root}/fifo.tar`,
    says: 'is not a file',
    hint: 'It is left alone',
  })
  assert.ok(existsSync(file))
})
