/** The disk of the archive fails: that costs the archive, with a warning, and never the copy. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import * as library from '../../src/index.ts'
import { copiedWorld, type Ended, fails, run, succeed, type World } from '../cli/world.ts'
import { failing } from './failing.ts'

const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]

/** The calls of each thread are counted by themselves. */
const ONE_THREAD = { CONDA_STAGE_POOL: '1' }

/** The copy that the call printed is whole, and so is the one of the next call. Nothing else is left anywhere. */
async function isStagedWith(place: World, warning: RegExp, { status, stdout, stderr }: Ended): Promise<void> {
  assert.equal(status, 0, stderr)
  const warnings = stderr.split('\n').filter((line) => line.startsWith('WARNING: '))
  assert.equal(warnings.length, 1, stderr)
  assert.match(warnings[0]!, warning)
  assert.ok(warnings[0]!.includes(place.archive), stderr)
  assert.doesNotMatch(stderr, /bug|Unknown system error|\n {4}at /)
  const { prefix, findings } = await library.verify({ prefix: stdout.trimEnd() })
  assert.ok(findings.every(({ harmless }) => harmless))
  await library.unstage({ prefix })
  const debris = readdirSync(dirname(place.prefix)).filter((name) => name.startsWith('.'))
  assert.deepEqual(debris, [])
  assert.deepEqual(readdirSync(place.local), [])
  const next = await succeed(place, stage(place))
  assert.doesNotMatch(next.stderr, /WARNING/)
  assert.ok(existsSync(place.archive))
  await library.unstage({ prefix: next.stdout.trimEnd() })
}

const lockOf = ({ prefix, name }: World) => `${dirname(prefix)}/.${name}.tar.zst.lock`

const WRITES: [what: string, call: string, path?: (place: World) => string][] = [
  ['its bytes are written', 'pwrite64'],
  ['it is brought to disk', 'fsync'],
  ['its lock is made', 'mkdir', lockOf],
  ['its lock gets its holder', 'write', (place) => `${lockOf(place)}/holder.json`],
]

const ERRNOS: [errno: string, says: string][] = [
  ['EDQUOT', 'your quota is used up'],
  ['EIO', 'the disk or its server failed (EIO)'],
  ['EFBIG', 'larger than the limit of file sizes allows'],
  ['ESTALE', 'the file server no longer knows it (ESTALE)'],
  ['EROFS', 'the file system is read-only'],
  ['ENOTCONN', "the file server can't be reached (ENOTCONN)"],
  ['ETIMEDOUT', "the file server can't be reached (ETIMEDOUT)"],
  ['ENODEV', 'the device is gone (ENODEV)'],
  ['ENXIO', 'its device is gone (ENXIO)'],
  ['ENOSPC', 'the file system is full'],
]

const escaped = (text: string): RegExp => new RegExp(text.replace(/[.()]/g, '\\$&'))

for (const [at, [errno, says]] of ERRNOS.entries()) {
  // Each errno at one moment, each moment with two of them.
  const [what, call, path] = WRITES[at % WRITES.length]!
  test(`${errno} of the archive's disk, when ${what}, costs the archive and not the copy`, async (context) => {
    const place = await copiedWorld(context)
    const inside = failing({ [call]: errno }, path ? { path: path(place) } : {})
    await isStagedWith(place, escaped(says), await run(place, stage(place), { inside }))
  })
}

test('an outdated archive stays as it is if the disk fails while it is repacked, and the copy is made', async (context) => {
  const place = await copiedWorld(context)
  await library.pack({ prefix: place.prefix, env: place.env })
  writeFileSync(`${place.prefix}/bin/new`, 'new')
  const before = readFileSync(place.archive)
  const { status, stdout, stderr } = await run(place, stage(place), { inside: failing({ fsync: 'EIO' }) })
  assert.equal(status, 0, stderr)
  assert.match(stderr, /WARNING: The archive .* can't be written: .*\(EIO\)\. Staging continues without an archive/)
  assert.deepEqual(readFileSync(place.archive), before)
  assert.equal(readFileSync(`${stdout.trimEnd()}/bin/new`, 'utf8'), 'new')
})

for (const [errno, says] of ERRNOS.filter(([errno]) => ['EIO', 'ESTALE', 'ENOTCONN'].includes(errno))) {
  for (const [call, when] of [
    ['openat', '1'],
    ['pread64', '1'],
    ['pread64', '3'],
  ] as const) {
    test(`an archive whose disk answers ${errno} (${call}, number ${when}) is packed again, with a warning`, async (context) => {
      const place = await copiedWorld(context)
      await library.pack({ prefix: place.prefix, env: place.env })
      const inside = failing({ [call]: errno }, { path: place.archive, when })
      await isStagedWith(
        place,
        escaped(`can't be read: ${says}`),
        await run(place, stage(place), { inside, env: ONE_THREAD }),
      )
    })
  }
}

test('--pack on a disk that fails says so, and leaves nothing', async (context) => {
  const place = await copiedWorld(context)
  const pack = ['--pack', `--prefix=${place.prefix}`]
  const expected = { code: 'ARCHIVE_UNWRITABLE', path: place.archive, hint: '--output=FILE' } as const
  for (const [, call, path] of [...WRITES, ['', 'rename'] as const]) {
    const inside = failing({ [call]: 'EIO' }, path ? { path: path(place) } : {})
    await fails(place, pack, { ...expected, says: 'failed (EIO)' }, { inside })
  }
  const inside = failing({ fsync: 'EDQUOT' })
  await fails(place, pack, { ...expected, code: 'NO_SPACE', says: 'your quota is used up' }, { inside })
})
