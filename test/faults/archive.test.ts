import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type TestContext, test } from 'node:test'
import { decodeFooter, FOOTER_SIZE } from '../../src/archive/format.ts'
import * as library from '../../src/index.ts'
import { copiedWorld, fails, stageOf, succeed, type World } from '../cli/world.ts'
import { smallEnvironment } from '../fixtures/environment.ts'

const isRoot = process.getuid!() === 0
const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]
const pack = ({ prefix }: World) => ['--pack', `--prefix=${prefix}`]

async function packed(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  await library.pack({ prefix: place.prefix, env: place.env })
  return place
}

/** The next stage warns and succeeds, its copy is sound, and the one after finds a sound archive. */
async function isRebuilt(place: World, archive = place.archive, more: readonly string[] = []): Promise<void> {
  const { stdout, stderr } = await succeed(place, [...stage(place), ...more])
  const warnings = stderr.split('\n').filter((line) => line.startsWith('WARNING: '))
  assert.equal(warnings.length, 1, stderr)
  assert.match(warnings[0]!, /is damaged: .*\. Packing the environment again$/)
  assert.ok(warnings[0]!.includes(archive), stderr)
  const { prefix, findings } = await library.verify({ prefix: stdout.trimEnd() })
  assert.deepEqual(
    findings.filter(({ harmless }) => !harmless),
    [],
  )
  await library.unstage({ prefix })
  const next = await succeed(place, [...stage(place), ...more])
  assert.doesNotMatch(next.stderr, /WARNING|Packaging/)
  await library.unstage({ prefix: next.stdout.trimEnd() })
}

function flipBit(archive: string, at: number): void {
  const bytes = readFileSync(archive)
  bytes[at]! ^= 1
  writeFileSync(archive, bytes)
}

test('a truncated archive is rebuilt by the next stage, with a warning, wherever it was cut', async (context) => {
  const place = await packed(context)
  const whole = readFileSync(place.archive)
  for (const size of [whole.length - 1, whole.length - 300, Math.floor(whole.length / 2), 1500]) {
    writeFileSync(place.archive, whole.subarray(0, size))
    await isRebuilt(place)
  }
})

test('an archive with a flipped bit is rebuilt by the next stage, with a warning, wherever the bit is', async (context) => {
  const place = await packed(context)
  const size = statSync(place.archive).size
  const footer = decodeFooter(readFileSync(place.archive).subarray(-FOOTER_SIZE))
  assert.ok(typeof footer === 'object')
  const { indexOffset } = footer
  // The opening, the first and the last frame, the beginning of the index, its head, the footer.
  for (const at of [20, 3000, indexOffset - 100, indexOffset + 100, size - 400, size - 100]) {
    flipBit(place.archive, at)
    await isRebuilt(place)
  }
})

test('a damaged archive that --output names is rebuilt too, and so is one in the cache folder', async (context) => {
  const place = await copiedWorld(context)
  const named = `${place.root}/my.tar.gz`
  const more = [`--output=${named}`, '--format=tar.gz']
  await succeed(place, [...pack(place), ...more])
  for (const at of [5000, statSync(named).size - 100]) {
    flipBit(named, at)
    await isRebuilt(place, named, more)
  }
  // Somebody else's file at the first place.
  writeFileSync(place.archive, 'mine')
  const { archive } = await library.pack({ prefix: place.prefix, env: place.env })
  assert.notEqual(archive, place.archive)
  flipBit(archive, 5000)
  await isRebuilt(place, archive)
  assert.equal(readFileSync(place.archive, 'utf8'), 'mine')
})

test('a fresh archive in the cache folder is used if the one beside the environment is damaged', async (context) => {
  const place = await copiedWorld(context)
  const beside = await library.pack({ prefix: place.prefix, env: place.env })
  const bytes = readFileSync(beside.archive)
  writeFileSync(place.archive, 'mine')
  const { archive } = await library.pack({ prefix: place.prefix, env: place.env })
  for (const at of [3000, bytes.length - 100]) {
    writeFileSync(place.archive, bytes)
    flipBit(place.archive, at)
    const { stdout, stderr } = await succeed(place, stage(place))
    assert.ok(stderr.includes(`WARNING: The archive ${place.archive} is damaged: `), stderr)
    assert.ok(stderr.includes(`Using ${archive} instead`), stderr)
    await library.unstage({ prefix: stdout.trimEnd() })
  }
})

test('--pack replaces a damaged archive without --force, and says why', async (context) => {
  const place = await packed(context)
  flipBit(place.archive, statSync(place.archive).size - 100)
  const { fresh, reason, warnings } = await library.pack({ prefix: place.prefix, env: place.env })
  assert.equal(fresh, false)
  assert.match(reason!, /is damaged: /)
  assert.deepEqual(warnings, [`${reason}. Packing the environment again`])
})

test('an archive that is damaged and out of date is rebuilt with a warning', async (context) => {
  const place = await packed(context)
  flipBit(place.archive, 3000)
  writeFileSync(`${place.prefix}/bin/mine`, 'new')
  const { stdout, stderr } = await succeed(place, stage(place))
  assert.match(stderr, /WARNING: .* is damaged: .*Reading the whole environment instead/)
  assert.equal(readFileSync(`${stdout.trimEnd()}/bin/mine`, 'utf8'), 'new')
})

test('of several jobs that find an archive damaged at once none fails, and it is packed once', async (context) => {
  const place = await packed(context)
  flipBit(place.archive, 3000)
  const packedBy = new Set<number>()
  const job = (number: number) =>
    library.stage({
      prefix: place.prefix,
      path: place.local,
      env: place.env,
      onProgress: (event) => void (event.kind === 'progress' && event.phase === 'pack' && packedBy.add(number)),
    })
  const copies = await Promise.all([1, 2, 3].map(job))
  assert.equal(packedBy.size, 1)
  for (const { prefix } of copies) {
    const { findings } = await library.verify({ prefix })
    assert.ok(findings.every(({ harmless }) => harmless))
  }
  assert.doesNotMatch((await succeed(place, stage(place))).stderr, /WARNING|Packaging/)
})

test('the archive of another environment is never staged in place of this one', async (context) => {
  const place = await copiedWorld(context)
  const { prefix } = await smallEnvironment(`${place.root}/other`, { byHand: false })
  await succeed(place, ['--pack', `--prefix=${prefix}`])
  copyFileSync(`${prefix}.tar.zst`, place.archive)
  const says = `another environment (${prefix})`
  const expected = { code: 'ARCHIVE_OTHER_ENVIRONMENT', path: place.archive, says, hint: '--pack --force' } as const
  await fails(place, stage(place), expected)
  await fails(place, pack(place), expected)
  await succeed(place, [...pack(place), '--force'])
  await stageOf(place)
})

test('an archive with another version of the format is reported as such, with the program that wrote it', async (context) => {
  const place = await packed(context)
  const bytes = readFileSync(place.archive)
  const footer = bytes.subarray(-256)
  footer.writeUInt32LE(99, 8)
  footer.write('conda-stage 7.0.0\0', 176)
  createHash('sha256').update(footer.subarray(0, 224)).digest().copy(footer, 224)
  writeFileSync(place.archive, bytes)
  const says = 'has format 99, written by conda-stage 7.0.0'
  await fails(place, stage(place), { code: 'ARCHIVE_VERSION', path: place.archive, says, hint: '--pack --force' })
  await succeed(place, [...pack(place), '--force'])
  await stageOf(place)
})

for (const [what, content] of [
  ['text', 'my notes\n'],
  ['an empty file', ''],
  ["somebody's tar archive", execFileSync('tar', ['--zstd', '-cf', '-', '-C', '/etc', 'passwd'])],
] as const) {
  test(`a file with the archive's name that conda-stage did not write (${what}) is never overwritten or deleted`, async (context) => {
    const place = await copiedWorld(context)
    writeFileSync(place.archive, content)
    const { stderr } = await succeed(place, stage(place))
    assert.match(
      stderr,
      new RegExp(
        `INFO: The archive goes to ${place.root}/cache/conda-stage/.*: ${place.archive} was not written by conda-stage`,
      ),
    )
    assert.doesNotMatch((await succeed(place, stage(place))).stderr, /Packaging/)
    await succeed(place, [...pack(place), '--force'])
    const explicit = [`--output=${place.archive}`]
    const expected = {
      code: 'ARCHIVE_FOREIGN',
      path: place.archive,
      says: /was (not written by conda-stage|written neither by conda-stage nor by conda-pack)/,
      hint: /--output/,
    } as const
    for (const args of [stage(place), pack(place), [...pack(place), '--force']])
      await fails(place, [...args, ...explicit], expected)
    assert.deepEqual(readFileSync(place.archive), Buffer.from(content))
  })
}

test("a folder or a symbolic link with the archive's name is left alone", async (context) => {
  const place = await packed(context)
  mkdirSync(`${place.root}/folder.tar.zst`)
  symlinkSync(place.archive, `${place.root}/link.tar.zst`)
  const output = (name: string) => [...pack(place), '--force', `--output=${place.root}/${name}.tar.zst`]
  await fails(place, output('folder'), {
    code: 'ARCHIVE_FOREIGN',
    path: `${place.root}/folder.tar.zst`,
    hint: '--output',
  })
  await fails(place, output('link'), { code: 'ARCHIVE_FOREIGN', path: `${place.root}/link.tar.zst`, hint: '--output' })
})

test('an archive that others may write is not staged, because they could run code as this user', async (context) => {
  const place = await packed(context)
  for (const mode of [0o664, 0o646]) {
    chmodSync(place.archive, mode)
    const hint = `chmod go-w '${place.archive}'`
    await fails(place, stage(place), {
      code: 'ARCHIVE_UNTRUSTED',
      path: place.archive,
      says: 'other users can write to it',
      hint,
    })
  }
  chmodSync(place.archive, 0o644)
  await stageOf(place)
})

test("an archive is staged if it belongs to the environment's owner, and not if it belongs to a third user", {
  skip: !isRoot && 'needs root, to give files away',
}, async (context) => {
  const place = await packed(context)
  chownSync(place.archive, 65533, 65533)
  await fails(place, stage(place), {
    code: 'ARCHIVE_UNTRUSTED',
    path: place.archive,
    says: 'user 65533',
    hint: '--output=FILE',
  })
  chownSync(place.prefix, 65533, 65533)
  await stageOf(place)
})

test('if the archive named by --output cannot be written, no other one is written', async (context) => {
  const place = await copiedWorld(context)
  const output = `${place.root}/nowhere/my.tar.zst`
  await fails(place, [...pack(place), `--output=${output}`], {
    code: 'ARCHIVE_UNWRITABLE',
    path: output,
    hint: '--output=FILE',
  })
})
