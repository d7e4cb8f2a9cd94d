/** The file server fails, or changes the archive, while a copy is made from it. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { type Ended, run, start, succeed } from '../cli/world.ts'
import { forget, pack, type Served, served, stage, untilItWaits } from './served.ts'

const skip = slowfsUnavailable() ?? false

const LARGE = 'share/large'
const noise = () => randomFillSync(Buffer.alloc(40_000_000))

interface Archived extends Served {
  /** Where the server has the archive, and its name. */
  stored: string
  file: string
}

/** Several frames, and far more than the kernel reads ahead. */
async function archived(context: TestContext, body: (place: Archived) => Promise<void>): Promise<void> {
  await served(context, async (place) => {
    writeFileSync(`${place.behind}/${place.name}/${LARGE}`, noise())
    await succeed(place, pack(place))
    const file = `${place.name}.tar.zst`
    await body({ ...place, file, stored: `${place.behind}/${file}` })
  })
}

/** Starts a stage, does this while the archive is being read, and gives its end. */
async function inTheMiddle(place: Archived, body: (child: ChildProcess) => Promise<void> | void): Promise<Ended> {
  forget(place.stored)
  await place.server.hang({ kind: 'read', name: place.file, after: 8 })
  const { child, ended } = start(place, stage(place))
  await untilItWaits(place, child)
  await body(child)
  await place.server.release()
  return await ended
}

/** The copy is whole, and what it should be; then it is removed. */
async function isWhole(place: Archived, { status, stdout, stderr }: Ended, large: Buffer): Promise<void> {
  assert.equal(status, 0, stderr)
  const staged = stdout.trimEnd()
  await succeed(place, ['--verify', `--prefix=${staged}`])
  assert.ok(readFileSync(`${staged}/${LARGE}`).equals(large))
  await succeed(place, ['--unstage', `--prefix=${staged}`])
  assert.deepEqual(readdirSync(place.local), [])
  assert.deepEqual(readdirSync(place.behind).sort(), [place.name, place.file])
  await succeed(place, ['--verify', `--output=${place.archive}`])
}

const original = ({ behind, name }: Served) => `${behind}/${name}/${LARGE}`

for (const errno of ['EIO', 'ESTALE', 'ENOTCONN'] as const)
  test(`an archive whose server answers ${errno} while it is extracted is packed again, with a warning that names it`, {
    skip,
  }, async (context) => {
    await archived(context, async (place) => {
      const large = readFileSync(original(place))
      forget(place.stored)
      await place.server.fail({ kind: 'read', name: place.file, after: 8 }, constants.errno[errno])
      const result = await run(place, stage(place))
      await place.server.release()
      assert.match(result.stderr, new RegExp(`WARNING: The archive ${place.archive} can't be read: .*\\(${errno}\\)`))
      await isWhole(place, result, large)
    })
  })

test('a server that fails altogether while a copy is made costs the copy, and the message names what it failed at', {
  skip,
}, async (context) => {
  await archived(context, async (place) => {
    const before = place.state()
    const { status, stderr } = await inTheMiddle(place, async (child) => {
      await place.server.fail({}, constants.errno.ENOTCONN)
      await once(child, 'close')
    })
    assert.equal(status, 1, stderr)
    assert.match(stderr, new RegExp(`ERROR: .*${place.prefix}.* can't be read: the file server can't be reached`))
    assert.deepEqual(place.state(), before)
    await isWhole(place, await succeed(place, stage(place)), readFileSync(original(place)))
  })
})

test('Ctrl-C while the server does not give the archive ends the call, and nothing is left of the copy', {
  skip,
}, async (context) => {
  await archived(context, async (place) => {
    const before = place.state()
    const { status } = await inTheMiddle(place, async (child) => {
      child.kill('SIGINT')
      await once(child, 'close')
    })
    assert.equal(status, 130)
    assert.deepEqual(place.state(), before)
    await isWhole(place, await succeed(place, stage(place)), readFileSync(original(place)))
  })
})

test('an archive that is removed, replaced or cut while it is extracted gives a whole copy', {
  skip,
}, async (context) => {
  await archived(context, async (place) => {
    const { stored } = place
    const large = readFileSync(original(place))
    const removed = await inTheMiddle(place, () => rmSync(stored))
    assert.match(removed.stderr, /Packaging/)
    await isWhole(place, removed, large)
    copyFileSync(stored, `${place.root}/kept`)
    // Another archive of the same environment, from before.
    const other = noise()
    writeFileSync(original(place), other)
    await succeed(place, pack(place))
    const replaced = await inTheMiddle(place, () => {
      copyFileSync(`${place.root}/kept`, `${stored}.new`)
      renameSync(`${stored}.new`, stored)
    })
    await isWhole(place, replaced, other)
    await succeed(place, pack(place))
    const cut = await inTheMiddle(place, () => truncateSync(stored, 1_000_000))
    assert.match(cut.stderr, /WARNING: The archive .* is damaged: .*Packing the environment again/)
    await isWhole(place, cut, other)
  })
})
