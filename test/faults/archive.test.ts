import assert from 'node:assert/strict'
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

/** The error must say what is wrong with the archive, and its advice, --pack --force, must repair it. */
async function isDamaged(place: World, says: RegExp): Promise<void> {
  await fails(place, stage(place), {
    code: 'ARCHIVE_DAMAGED',
    path: place.archive,
    says,
    hint: 'conda-stage --pack --force',
  })
  await library.pack({ prefix: place.prefix, env: place.env, force: true })
  const { prefix } = await library.stage({ prefix: place.prefix, path: place.local, env: place.env })
  await library.unstage({ prefix })
}

test('a truncated archive is reported as such, wherever it was cut', async (context) => {
  const place = await packed(context)
  const whole = readFileSync(place.archive)
  for (const size of [whole.length - 1, whole.length - 300, Math.floor(whole.length / 2), 1500]) {
    writeFileSync(place.archive, whole.subarray(0, size))
    await isDamaged(place, /its end is missing/)
  }
})

test('a flipped bit in an archive is reported as damage, wherever it is', async (context) => {
  const place = await packed(context)
  const size = statSync(place.archive).size
  for (const at of [3000, Math.floor(size / 2), size - 400, size - 100]) {
    const bytes = readFileSync(place.archive)
    bytes[at]! ^= 1
    writeFileSync(place.archive, bytes)
    await isDamaged(place, /is damaged: /)
  }
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
  ["somebody's tar archive", Buffer.from('28b52ffd00', 'hex')],
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
      says: 'was not written by conda-stage',
      hint: /left alone.*--output/,
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
      says: 'other users can write it',
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
