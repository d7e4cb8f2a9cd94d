/** A file with large holes, such as a disk image or a database that somebody keeps in an environment. */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { listing, type RunOptions, succeed, temporaryFolder, type World } from '../cli/world.ts'

const GIB = 2 ** 30
const SIZE = 5 * GIB
/** At the beginning, over the end of a block and in the middle. The file ends with a hole. */
const POSITIONS = [0, 2 ** 26 - 30, 3 * GIB + 12_345]

/** An environment by hand with one file of 5 GB, which names the prefix at some positions. */
function sparseWorld(context: TestContext): World {
  const root = temporaryFolder(context)
  const prefix = `${root}/home/me/miniconda3/envs/my`
  for (const path of [`${prefix}/conda-meta`, `${prefix}/lib`, `${root}/local`]) mkdirSync(path, { recursive: true })
  writeFileSync(`${prefix}/conda-meta/history`, '')
  const fd = openSync(`${prefix}/lib/image`, 'wx')
  ftruncateSync(fd, SIZE)
  for (const position of POSITIONS) writeSync(fd, textOf(prefix), position)
  closeSync(fd)
  const env = { HOME: `${root}/home/me`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  return { root, prefix, name: 'my', archive: `${prefix}.tar.zst`, local: `${root}/local`, env }
}

const textOf = (prefix: string): string => `\x01${prefix}/lib\0`

const allocated = (path: string): number => statSync(path).blocks * 512

/** Prints the most memory that the program took, in kB, behind its messages. */
const MEASURE = `
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
sys.stderr.write("peak %d\\n" % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)`
const MEASURED: RunOptions = { inside: ['python3', '-c', MEASURE] }
const peakMegabytes = (stderr: string): number => Number(/^peak (\d+)$/m.exec(stderr)![1]) / 1024

function assertCopied(image: string, prefix: string): void {
  assert.equal(statSync(image).size, SIZE)
  assert.ok(allocated(image) < 2 ** 20, `${allocated(image)} bytes on disk`)
  const fd = openSync(image, 'r')
  for (const position of POSITIONS) {
    const bytes = Buffer.alloc(200)
    readSync(fd, bytes, 0, bytes.length, Math.max(0, position - 40))
    const wanted = Buffer.alloc(200)
    wanted.write(textOf(prefix), Math.min(40, position))
    assert.deepEqual(bytes, wanted)
  }
  closeSync(fd)
}

test('of a file of 5 GB that is nearly all holes, the archive and each copy take next to nothing, and packing takes little memory', async (context) => {
  const place = sparseWorld(context)
  const before = listing(place.prefix)
  for (const isFirst of [true, false]) {
    const stage = [`--prefix=${place.prefix}`, `--path=${place.local}`, '--private']
    const { stdout, stderr } = await succeed(place, stage, MEASURED)
    const prefix = stdout.trimEnd()
    assert.equal(/Packaging/.test(stderr), isFirst)
    assertCopied(`${prefix}/lib/image`, prefix)
    assert.ok(peakMegabytes(stderr) < 250, `${peakMegabytes(stderr)} MB`)
    await succeed(place, ['--unstage', `--prefix=${prefix}`])
  }
  assert.ok(statSync(place.archive).size < 2 ** 20)
  assert.deepEqual(listing(place.prefix), before)
})
