import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import * as fs from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow, type SlowMount, type SlowOptions } from '../../bench/slowfs/mount.ts'

const skip = slowfsUnavailable() ?? false
const patient: SlowOptions = { latencyMs: 0, bandwidthMb: 0, validSeconds: 3600 }

interface Place {
  source: string
  at: string
  mount: SlowMount
}

/** A slow file system over a small tree: `folder/deep/file`, and `folder/fN` for 128 N. */
async function withSlow(options: SlowOptions, body: (place: Place) => Promise<void>): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), 'slowfs-test-'))
  const source = join(top, 'source')
  const at = join(top, 'slow')
  mkdirSync(join(source, 'folder/deep'), { recursive: true })
  mkdirSync(at)
  writeFileSync(join(source, 'folder/deep/file'), 'content')
  for (let i = 0; i < 128; i++) writeFileSync(join(source, `folder/f${i}`), `${i}`)
  try {
    const mount = await mountSlow(source, at, options)
    try {
      await body({ source, at, mount })
    } finally {
      await mount.unmount()
    }
  } finally {
    rmSync(top, { recursive: true })
  }
}

async function nonZero(mount: SlowMount): Promise<Record<string, number>> {
  const entries = Object.entries(await mount.counters())
  return Object.fromEntries(entries.filter(([name, value]) => value > 0 && name !== 'serverCpuMs'))
}

test('slowfs counts every request that reaches it, and none that the kernel answers from memory', { skip }, () =>
  withSlow(patient, async ({ at, mount }) => {
    // The root has no look-up: the kernel asks for its attributes before it searches it.
    statSync(join(at, 'folder/deep/file'))
    assert.deepEqual(await nonZero(mount), { getattr: 1, lookup: 3, maxInFlight: 1 })
    statSync(join(at, 'folder/deep/file'))
    assert.deepEqual(await nonZero(mount), { getattr: 1, lookup: 3, maxInFlight: 1 })

    await mount.reset()
    assert.deepEqual(await nonZero(mount), {})
    assert.equal(readFileSync(join(at, 'folder/deep/file'), 'utf8'), 'content')
    assert.deepEqual(await nonZero(mount), { open: 1, revalidate: 1, read: 1, close: 1, readBytes: 7, maxInFlight: 1 })
    readFileSync(join(at, 'folder/deep/file'))
    const { open, read } = await mount.counters()
    assert.deepEqual({ open, read }, { open: 2, read: 1 }, 'every open costs, the content stays in memory')
  }),
)

test('slowfs charges each fstat of an open file, and each close, at a price of its own', { skip }, async () => {
  await withSlow({ ...patient, fstatMs: 120, closeMs: 60 }, async ({ at, mount }) => {
    const spent = (call: () => void): number => {
      const began = performance.now()
      call()
      return performance.now() - began
    }
    statSync(join(at, 'folder/f1'))
    await mount.reset()
    const file = openSync(join(at, 'folder/f1'), 'r')
    const asking = spent(() => fstatSync(file))
    assert.ok(asking >= 120, `fstat took ${asking} ms`)
    readSync(file, Buffer.alloc(8))
    const closing = spent(() => closeSync(file))
    assert.ok(closing >= 60, `close took ${closing} ms`)
    assert.deepEqual(await nonZero(mount), { open: 1, fstat: 1, read: 1, close: 1, readBytes: 1, maxInFlight: 1 })
  })
  await withSlow({ ...patient, keepAttributes: true, fstatMs: 1000 }, async ({ at, mount }) => {
    const file = openSync(join(at, 'folder/f1'), 'r')
    fstatSync(file)
    closeSync(file)
    assert.equal((await mount.counters()).fstat, 0, 'an open that brings the attributes')
  })
  await withSlow({ ...patient, latencyMs: 60 }, async ({ at }) => {
    const file = openSync(join(at, 'folder/f1'), 'r')
    const began = performance.now()
    fstatSync(file)
    closeSync(file)
    assert.ok(performance.now() - began >= 120, 'as much as a look-up by default')
  })
})

test('a read of a file on slowfs costs no getattr of its own', { skip }, () =>
  withSlow({ ...patient, latencyMs: 1000, closeMs: 0 }, async ({ at, mount }) => {
    const file = openSync(join(at, 'folder/f1'), 'r')
    const began = performance.now()
    readSync(file, Buffer.alloc(8))
    assert.ok(performance.now() - began < 1000)
    closeSync(file)
    const { fstat, revalidate } = await mount.counters()
    assert.deepEqual({ fstat, revalidate }, { fstat: 0, revalidate: 1 })
  }),
)

test('slowfs is asked for a missing name every time', { skip }, () =>
  withSlow(patient, async ({ at, mount }) => {
    statSync(at)
    await mount.reset()
    for (let i = 0; i < 3; i++) assert.equal(existsSync(join(at, 'missing')), false)
    assert.deepEqual(await nonZero(mount), { lookup: 3, maxInFlight: 1 })
  }),
)

test(
  'listing a folder on slowfs costs one opendir, and a look-up for each name that is examined afterwards',
  { skip },
  () =>
    withSlow(patient, async ({ at, mount }) => {
      statSync(join(at, 'folder'))
      await mount.reset()
      const names = await fs.readdir(join(at, 'folder'))
      assert.equal(names.length, 129)
      for (const name of names) statSync(join(at, 'folder', name))
      const { opendir, lookup, getattr } = await mount.counters()
      assert.deepEqual({ opendir, lookup, getattr }, { opendir: 1, lookup: 129, getattr: 0 })
    }),
)

test('look-ups in one folder of slowfs wait side by side, however many are asked for at once', { skip }, () =>
  withSlow({ ...patient, latencyMs: 300 }, async ({ at, mount }) => {
    statSync(join(at, 'folder'))
    await mount.reset()
    // In a process of its own: its thread pool can be large enough to ask for all at once.
    const program = `for (let i = 0; i < 64; i++) require('fs').stat('folder/f' + i, () => {})`
    const env = { ...process.env, UV_THREADPOOL_SIZE: '64' }
    await once(spawn(process.execPath, ['-e', program], { cwd: at, env, stdio: 'ignore' }), 'close')
    const { lookup, maxInFlight } = await mount.counters()
    assert.equal(lookup, 64)
    assert.ok(maxInFlight! >= 32, `${maxInFlight} in flight`)
  }),
)

test('reads through slowfs give the source, and writes through it arrive there', { skip }, () =>
  withSlow({ latencyMs: 0 }, async ({ source, at, mount }) => {
    const data = Buffer.from(Array.from({ length: 3_000_001 }, (_, i) => (i * 7919) >> 8))
    writeFileSync(join(source, 'big'), data)
    assert.ok(readFileSync(join(at, 'big')).equals(data))
    writeFileSync(join(at, 'new'), data)
    assert.ok(readFileSync(join(source, 'new')).equals(data))
    const { readBytes, writtenBytes } = await mount.counters()
    assert.equal(writtenBytes, data.length)
    assert.equal(readBytes, data.length)
  }),
)

test('links, modes, times to the nanosecond, renames and removals pass through slowfs', { skip }, () =>
  withSlow({ latencyMs: 0 }, async ({ source, at }) => {
    const seconds = 987654321
    await fs.mkdir(join(at, 'made'), 0o750)
    await fs.writeFile(join(at, 'made/.tmp'), 'x')
    await fs.rename(join(at, 'made/.tmp'), join(at, 'made/file'))
    await fs.link(join(at, 'made/file'), join(at, 'made/other'))
    await fs.symlink('../folder/f1', join(at, 'made/link'))
    await fs.utimes(join(at, 'made/file'), seconds, seconds)
    await fs.lutimes(join(at, 'made/link'), seconds, seconds)
    await fs.truncate(join(at, 'made/other'), 0)
    chmodSync(join(at, 'made/other'), 0o640)
    const file = await fs.stat(join(source, 'made/file'))
    assert.deepEqual([file.mode & 0o7777, file.nlink, file.size], [0o640, 2, 0])
    assert.equal((await fs.stat(join(at, 'made/other'))).ino, (await fs.stat(join(at, 'made/file'))).ino)
    assert.equal(await fs.readlink(join(source, 'made/link')), '../folder/f1')
    assert.equal((await fs.lstat(join(source, 'made/link'))).mtimeMs, seconds * 1000)
    assert.equal(await fs.readFile(join(at, 'made/link'), 'utf8'), '1')

    await fs.copyFile(join(at, 'folder/f2'), join(at, 'made/copy'))
    const before = await fs.stat(join(source, 'made/copy'), { bigint: true })
    assert.equal((await fs.stat(join(at, 'made/copy'), { bigint: true })).mtimeNs, before.mtimeNs)
    const space = await fs.statfs(at)
    assert.equal(space.blocks, (await fs.statfs(source)).blocks)
    await fs.rm(join(at, 'made'), { recursive: true })
    assert.equal(existsSync(join(source, 'made')), false)
  }),
)

test('an open file on slowfs stays the same file whatever happens to its name', { skip }, () =>
  withSlow(patient, async ({ source, at, mount }) => {
    const read = (path: string) => readFileSync(join(at, path), 'utf8')
    assert.equal(read('folder/deep/file'), 'content')
    await mount.reset()
    await fs.rename(join(at, 'folder'), join(at, 'moved'))
    assert.equal(read('moved/deep/file'), 'content')
    const { lookup } = await mount.counters()
    assert.equal(lookup, 1, 'of the new name; the file below is still remembered')

    await fs.link(join(at, 'moved/f1'), join(at, 'other'))
    await fs.rm(join(at, 'other')) // the name that it was looked up by last
    assert.equal(read('moved/f1'), '1')

    const handle = await fs.open(join(at, 'moved/f2'), 'r+')
    await fs.rm(join(at, 'moved/f2'))
    assert.equal((await handle.stat()).nlink, 0)
    await handle.truncate(0)
    await handle.close()

    await fs.writeFile(join(at, 'moved/f3'), 'three')
    const covered = await fs.open(join(at, 'moved/f4'))
    await fs.rename(join(at, 'moved/f3'), join(at, 'moved/f4'))
    assert.deepEqual([read('moved/f4'), (await covered.stat()).size], ['three', 1])
    await covered.close()

    assert.equal(read('moved/f5'), '5')
    await fs.writeFile(join(source, 'new'), 'made without the mount')
    await fs.rename(join(source, 'new'), join(source, 'moved/f5'))
    assert.equal(read('moved/f5'), 'made without the mount')
  }),
)

test('slowfs remembers more files than its server may have open', { skip }, () => {
  const top = mkdtempSync(join(tmpdir(), 'slowfs-test-'))
  for (let i = 0; i < 2000; i++) writeFileSync(join(top, `f${i}`), '')
  const module = join(import.meta.dirname, '../../bench/slowfs/mount.ts')
  const program = `import { mountSlow } from ${JSON.stringify(module)}
    import { statSync } from 'node:fs'
    const mount = await mountSlow('.', '.', ${JSON.stringify(patient)})
    process.chdir(${JSON.stringify(top)}) // the folder is under the mount now
    for (let round = 0; round < 2; round++) for (let i = 0; i < 2000; i++) statSync('f' + i)
    console.log((await mount.counters()).lookup)
    process.chdir('/')
    await mount.unmount()`
  const options = ['-c', 'ulimit -n 200 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', program]
  assert.equal(execFileSync('sh', options, { cwd: top, encoding: 'utf8' }), '2000\n')
  rmSync(top, { recursive: true })
})

test('requests to slowfs fail on request: those of a kind or of a name, from a certain one on', { skip }, () =>
  withSlow(patient, async ({ at, mount }) => {
    const { EIO, ESTALE, ENOTCONN } = constants.errno
    const codeOf = (call: () => unknown): number => {
      try {
        call()
        return 0
      } catch (error) {
        return -(error as NodeJS.ErrnoException).errno!
      }
    }
    await mount.fail({ kind: 'read', name: 'f7' }, EIO)
    assert.equal(readFileSync(join(at, 'folder/f6'), 'utf8'), '6')
    assert.equal(
      codeOf(() => readFileSync(join(at, 'folder/f7'))),
      EIO,
    )
    await mount.fail({ kind: 'lookup', name: 'f8' }, ESTALE)
    assert.deepEqual(
      [codeOf(() => statSync(join(at, 'folder/f9'))), codeOf(() => statSync(join(at, 'folder/f8')))],
      [0, ESTALE],
    )
    await mount.fail({ kind: 'lookup', after: 3 }, ENOTCONN)
    const codes = [20, 21, 22, 23, 24].map((n) => codeOf(() => statSync(join(at, `folder/f${n}`))))
    assert.deepEqual(codes, [0, 0, 0, ENOTCONN, ENOTCONN])
    await mount.release()
    assert.equal(readFileSync(join(at, 'folder/f7'), 'utf8'), '7')
  }),
)

test('requests to slowfs hang on request, until they are released or their caller is killed', { skip }, () =>
  withSlow(patient, async ({ at, mount }) => {
    statSync(join(at, 'folder'))
    await mount.hang({ kind: 'lookup' })
    const look = (name: string) => spawn('stat', [join(at, 'folder', name)], { stdio: 'ignore' })
    const [killed, patiently] = [look('f1'), look('f2')]
    while ((await mount.counters()).waiting! < 2) await new Promise((resolve) => setTimeout(resolve, 20))
    killed.kill('SIGKILL')
    assert.deepEqual(await once(killed, 'exit'), [null, 'SIGKILL'])
    await mount.release()
    assert.deepEqual(await once(patiently, 'exit'), [0, null])
    assert.equal((await mount.counters()).waiting, 0)
  }),
)

test('slowfs is mounted as fuse.slowfs, and is gone after unmount, even while somebody is inside', {
  skip,
}, async () => {
  let left = ''
  await withSlow(patient, async ({ at, mount }) => {
    left = at
    assert.match(mountLine(at) ?? '', / - fuse\.slowfs slowfs /)
    const handle = await fs.open(join(at, 'folder/f1'))
    await mount.unmount()
    await handle.close().catch(() => {}) // the server has gone
    assert.equal(mountLine(at), undefined)
  })
  assert.equal(mountLine(left), undefined)
})

test('a slowfs mount ends when the process that asked for it is killed', { skip }, async () => {
  const top = mkdtempSync(join(tmpdir(), 'slowfs-test-'))
  const module = join(import.meta.dirname, '../../bench/slowfs/mount.ts')
  const program = `import { mountSlow } from ${JSON.stringify(module)}
    await mountSlow(${JSON.stringify(top)}, ${JSON.stringify(top)})
    console.log('mounted'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  assert.notEqual(mountLine(top), undefined)
  child.kill('SIGKILL')
  while (mountLine(top) !== undefined) await new Promise((resolve) => setTimeout(resolve, 10))
  rmSync(top, { recursive: true })
})

test('a slowfs mount that fails says why', { skip }, async () => {
  await assert.rejects(mountSlow(tmpdir(), '/nowhere/at/all', patient), /slowfs ended: .*\/nowhere\/at\/all/)
})

test('slowfs is compiled once, outside the repository', { skip }, () => {
  const cache = mkdtempSync(join(tmpdir(), 'slowfs-test-'))
  const script = join(import.meta.dirname, '../../bench/slowfs/build.ts')
  const env = { ...process.env, XDG_CACHE_HOME: cache }
  const build = () => execFileSync(process.execPath, [script], { env, encoding: 'utf8' }).trim()
  const program = build()
  assert.ok(program.startsWith(join(cache, 'conda-stage-tests/slowfs-')))
  const { ino } = statSync(program)
  assert.equal(build(), program)
  assert.equal(statSync(program).ino, ino)
  rmSync(cache, { recursive: true })
})

function mountLine(at: string): string | undefined {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.find((line) => line.split(' ')[4] === at)
}
