import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { getuid } from 'node:process'
import { test } from 'node:test'
import { FRAME_ENOUGH, FRAME_SIZE } from '../../src/archive/format.ts'
import { readIndex } from '../../src/archive/reader.ts'
import { type WriteOptions, writeArchive } from '../../src/archive/writer.ts'
import { StageError } from '../../src/errors.ts'
import type { ArchivedFile } from '../../src/model/archive-index.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { contentsOf, digestOf, directory, each, FORMATS, file, HEADER, pack, run, workFolder } from './support.ts'

const MiB = 1024 * 1024

/** A file whose content comes in pieces. */
function pieces(path: string, chunks: Buffer[], size = Buffer.concat(chunks).length): ArchiveItem {
  const item = file(path, Buffer.concat(chunks), { size })
  return { entry: item.entry, content: { ...item.content!, chunks: each(chunks) } }
}

for (const format of FORMATS) {
  test(`files of every size around the size of a frame come back whole from a ${format}`, async (context) => {
    const archive = `${await workFolder(context)}/demo.${format}`
    const noise = randomBytes(FRAME_SIZE)
    const content = (size: number) => Buffer.alloc(size, noise.subarray(0, 4096 + (size % 4096)))
    const sizes = [0, 1, 512, FRAME_ENOUGH, FRAME_SIZE - 512, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE + 5, 0, 700, 1]
    const files = sizes.map((size, at) => file(`file${at}`, content(size)))
    const odd = pieces(
      'pieces',
      [1, 4095, 70_001, FRAME_SIZE, 3].map((size) => randomBytes(size)),
    )
    await pack(archive, [directory(''), ...files, odd], { level: 1 })
    const index = await readIndex(archive)
    for (const [path, data] of contentsOf(archive, index)) {
      const entry = index.entries.find((entry) => entry.path === path) as ArchivedFile
      assert.equal(digestOf(data), entry.digest, path)
    }
    for (const { size } of index.frames) assert.ok(size <= FRAME_SIZE)
    const [tool, ...args] = format === 'zip' ? ['unzip', '-p', archive, 'file7'] : ['tar', '-xOf', archive, './file7']
    const { stdout } = await run(tool!, args, { encoding: 'buffer', maxBuffer: 20 * MiB })
    assert.ok(stdout.equals(content(3 * FRAME_SIZE + 5)))
  })
}

test('frames end between files, and only large files are cut in two', async (context) => {
  const archive = `${await workFolder(context)}/demo.tar.zst`
  const files = [2 * MiB, 3 * MiB, MiB / 2, 5 * MiB, 1].map((size, at) => file(`file${at}`, Buffer.alloc(size)))
  const { entries, frames } = await pack(archive, [directory(''), ...files])
  const begins = entries.flatMap((entry) => (entry.type === 'file' ? [[entry.frame, entry.frameOffset]] : []))
  // file1 doesn't fit behind file0, file2 fits behind file1, file3 begins a new frame and continues in the next.
  const third = 512 + 3 * MiB + 512
  assert.deepEqual(begins, [
    [0, 512],
    [1, 512],
    [1, third],
    [2, 512],
    [3, MiB + 512 + 512],
  ])
  assert.deepEqual(frames.map(({ size }) => size).slice(0, 3), [2 * MiB + 512, 3.5 * MiB + 1024, FRAME_SIZE])
})

/** Writes an archive to the end with a copy of each frame's content, as a first stage does. */
async function writeAndTake(path: string, items: ArchiveItem[], more: Partial<WriteOptions> = {}) {
  const taken: Buffer[] = []
  const takeFrame = async (content: Buffer) => void taken.push(Buffer.from(content))
  const options = { path, format: 'tar.zst', threads: 2, header: HEADER, items: each(items), takeFrame } as const
  return { ...(await writeArchive({ ...options, ...more })), taken: Buffer.concat(taken) }
}

test('a first stage gets all contents, and the reason, if the archive can not be written', async (context) => {
  const folder = await workFolder(context)
  const items = [directory(''), file('large', randomBytes(9 * MiB)), file('small', 'text')]
  const whole = await writeAndTake(`${folder}/demo.tar.zst`, items)
  assert.equal(whole.lost, undefined)
  for (const path of [`${folder}/missing/demo.tar.zst`, '/proc/demo.tar.zst']) {
    const { lost, taken, index } = await writeAndTake(path, items)
    assert.deepEqual([lost?.code, lost?.path], ['ARCHIVE_UNWRITABLE', path])
    assert.ok(taken.equals(whole.taken))
    assert.deepEqual(index, whole.index)
  }
  assert.deepEqual(await readdir(folder), ['demo.tar.zst'])
})

const large = () => file('large', randomBytes(9 * MiB))

const FAILURES: Record<string, { code?: string; message: RegExp; items: () => ArchiveItem[] }> = {
  'a file that shrank': {
    code: 'CHANGED',
    message: /\/envs\/demo\/lib\/shrunk changed .* 3 bytes instead of 5/,
    items: () => [large(), file('lib/shrunk', '123', { size: 5 })],
  },
  'a file that grew': {
    code: 'CHANGED',
    message: /\/envs\/demo\/grown changed .* it grew/,
    items: () => [large(), pieces('grown', [Buffer.from('123'), Buffer.from('456')], 5)],
  },
  'a file that can no longer be read': {
    message: /read error/,
    items: () => {
      async function* failing() {
        yield Buffer.from('12')
        throw new Error('read error')
      }
      const item = file('broken', '12345')
      return [large(), { entry: item.entry, content: { ...item.content!, chunks: failing() } }]
    },
  },
}

for (const [what, { code, message, items }] of Object.entries(FAILURES)) {
  test(`${what} ends packing with an error, and nothing is left behind`, async (context) => {
    const folder = await workFolder(context)
    await assert.rejects(pack(`${folder}/demo.tar.zst`, [directory(''), ...items()]), (error: Error) => {
      assert.match(error.message, message)
      assert.equal(error instanceof StageError ? error.code : undefined, code)
      return true
    })
    assert.deepEqual(await readdir(folder), [])
  })
}

test('cancelled packing stops in the middle of a file, and nothing is left behind', async (context) => {
  const folder = await workFolder(context)
  const controller = new AbortController()
  async function* endless() {
    for (let count = 0; ; count++) {
      if (count === 20) controller.abort('SIGINT')
      yield Buffer.alloc(MiB)
    }
  }
  const item = file('endless', '', { size: 2 ** 50 })
  const items = [directory(''), { entry: item.entry, content: { ...item.content!, chunks: endless() } }]
  await assert.rejects(pack(`${folder}/demo.tar.zst`, items, { signal: controller.signal }), { code: 'CANCELLED' })
  assert.deepEqual(await readdir(folder), [])
})

test('packing neither overwrites nor removes a file that stands at its path already', async (context) => {
  const path = `${await workFolder(context)}/demo.tar.zst`
  await writeFile(path, 'mine')
  await assert.rejects(pack(path, [directory('')]), {
    code: 'ARCHIVE_UNWRITABLE',
    message: /something else is already there/,
  })
  assert.equal(await readFile(path, 'utf8'), 'mine')
})

test('packing onto a full disk says that the disk is full, and nothing is left behind', async (context) => {
  const folder = await workFolder(context)
  await mkdir(`${folder}/small`)
  // In a mount namespace. An ordinary user needs a user namespace for it too.
  const namespaces = getuid?.() === 0 ? '-m' : '-Urm'
  const script = `mount -t tmpfs -o size=5m tmpfs ${folder}/small && "$1" "$2" ${folder}/small/demo.tar.zst; ls -A ${folder}/small`
  const child = new URL('fill-disk.ts', import.meta.url).pathname
  const { stdout } = await run('unshare', [namespaces, 'sh', '-c', script, 'sh', process.execPath, child])
  assert.match(stdout, /^NO_SPACE .*small\/demo\.tar\.zst can't be written: the file system is full\n$/)
})

test('packing into a folder that does not exist, or takes no file, says so', async (context) => {
  const folder = await workFolder(context)
  await assert.rejects(pack(`${folder}/missing/demo.tar.zst`, [directory('')]), { code: 'ARCHIVE_UNWRITABLE' })
  await assert.rejects(pack('/proc/demo.tar.zst', [directory('')]), { code: 'ARCHIVE_UNWRITABLE' })
})

test('a file of 8 GiB and more has a header that GNU tar and Python read', async (context) => {
  const folder = await workFolder(context)
  const { tarHeader } = await import('../../src/archive/tar.ts')
  const size = 9 * 1024 ** 3 + 7
  const header = tarHeader({ type: 'file', path: 'huge', mode: 0o644, mtimeNs: 0n, size })
  await writeFile(`${folder}/huge.tar`, header)
  const listed = await run('tar', ['-tvf', `${folder}/huge.tar`]).catch((error: { stdout: string }) => error)
  assert.match(listed.stdout, new RegExp(` ${size} .*\\./huge`))
  const script = 'import sys, tarfile; print(tarfile.open(sys.argv[1]).next().size)'
  const { stdout } = await run('python3', ['-c', script, `${folder}/huge.tar`])
  assert.equal(stdout.trim(), String(size))
})

test('everybody can read an archive and only its owner can write it, unless the umask forbids more', async (context) => {
  const folder = await workFolder(context)
  for (const [umask, mode] of [
    ['000', '644'],
    ['002', '644'],
    ['077', '600'],
  ]) {
    const child = new URL('fill-disk.ts', import.meta.url).pathname
    const path = `${folder}/${umask}.tar.zst`
    await run('sh', ['-c', 'umask $1; "$2" "$3" "$4" 10', 'sh', umask!, process.execPath, child, path])
    const { stdout } = await run('stat', ['-c', '%a', path])
    assert.equal(stdout.trim(), mode)
  }
})

test('packing 1.5 GB, in one file and in many, needs less than 400 MB of memory', async (context) => {
  const folder = await workFolder(context)
  const child = new URL('large-pack.ts', import.meta.url).pathname
  const { stdout } = await run(process.execPath, [child, `${folder}/demo.tar.zst`], {
    env: { UV_THREADPOOL_SIZE: '16' },
  })
  const { bytes, maxRSS } = JSON.parse(stdout) as { bytes: number; maxRSS: number }
  assert.equal(bytes, 1.5e9)
  assert.ok(maxRSS < 400 * 1024, `${maxRSS} KB`)
})
