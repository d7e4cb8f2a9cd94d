import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { EarlyReads, recordedFiles, worthReading } from '../../src/inventory/early-reads.ts'
import { listTree } from '../../src/inventory/list.ts'
import { readItems } from '../../src/inventory/read.ts'
import { makePrefix, NONE } from './prefix.ts'

const skip = slowfsUnavailable() ?? false
const makeScanner = () => ({ push() {}, finish: () => undefined })
const recorded = (paths: string[]) => new Map(paths.map((path) => [path, { package: 'a-1-0', recordedSize: 7 }]))

/** Reads early on a slow file system. */
async function readEarly(...args: [prefix: string, files: ReturnType<typeof recordedFiles>]): Promise<EarlyReads> {
  const early = new EarlyReads(...args, { mayHang: false })
  await early.begin()
  assert.ok(!early.pace.isQuick)
  early.readOn()
  return early
}

test('the files read before the folders are listed are small, first in the archive, inside the environment and not excluded', () => {
  const records = new Map([
    ...['lib/b', 'lib/a', 'bin/out', '../outside', '/etc/passwd', 'lib/../../x'].map(
      (path) => [path, { package: 'b-1-0', recordedSize: 7 }] as const,
    ),
    ['share/first', { package: 'a-1-0', recordedSize: 1 }],
    ['share/large', { package: 'a-1-0', recordedSize: 2 ** 21 }],
    ['share/unknown', { package: 'a-1-0' }],
  ])
  const isExcluded = (path: string) => path === 'bin/out'
  const paths = (all: typeof records) => worthReading(recordedFiles(all, isExcluded)).map(({ path }) => path)
  assert.deepEqual(paths(records), ['lib/a', 'lib/b', 'share/first', 'share/unknown'])
  const many = Array.from({ length: 300 }, (_, n) => [`lib/${n}`, { package: 'a-1-0', recordedSize: 2 ** 20 }] as const)
  assert.equal(paths(new Map(many)).length, 48)
})

test("files that are read before the folders are listed arrive as they are and are opened once, whatever conda's records have wrong", {
  skip,
}, async (t) => {
  const names = Array.from({ length: 200 }, (_, n) => `lib/f${n}`)
  const prefix = await makePrefix(t, Object.fromEntries(names.map((name) => [name, `content of ${name}`])))
  await writeFile(join(prefix, 'lib/large'), Buffer.alloc(3 * 2 ** 20, 'x'))
  await link(join(prefix, 'lib/f0'), join(prefix, 'bin/also-f0'))
  await symlink('f0', join(prefix, 'lib/link'))
  await symlink('lib', join(prefix, 'lib64'))
  await mkdir(join(prefix, 'lib/folder'))
  const records = recorded([...names, 'lib/large', 'lib/link', 'lib64/f1', 'lib/folder', 'lib/gone', 'bin/also-f0'])
  const mount = await mountSlow(prefix, prefix, { latencyMs: 3, bandwidthMb: 0, validSeconds: 3600 })
  const found = new Map<string, string>()
  try {
    const early = await readEarly(prefix, recordedFiles(records, NONE))
    const { entries } = await listTree({ prefix }, { isExcluded: NONE })
    early.stop()
    // After the listing and before the reading.
    await rm(join(prefix, 'lib/f7'))
    await writeFile(join(prefix, 'new'), 'another')
    await rename(join(prefix, 'new'), join(prefix, 'lib/f8'))
    const listed = entries.filter(({ path }) => path !== 'lib/f7')
    for await (const { entry, content } of readItems({ prefix }, listed, { makeScanner, early })) {
      if (entry.type === 'hardlink') found.set(entry.path, `link to ${entry.target}`)
      if (content && Buffer.isBuffer(content.chunks)) found.set(entry.path, String(content.chunks))
      else if (content) for await (const _ of content.chunks) found.set(entry.path, 'large')
    }
    const { open } = await mount.counters()
    // The large file, which the record calls small, and the one that was replaced.
    assert.ok(open! <= listed.filter(({ type }) => type === 'file').length + 3, `${open} opens`)
  } finally {
    await mount.unmount()
  }
  assert.equal(found.get('bin/also-f0'), 'content of lib/f0')
  assert.equal(found.get('lib/f0'), 'link to bin/also-f0')
  assert.equal(found.get('lib/large'), 'large')
  assert.ok(['content of lib/f8', 'another'].includes(found.get('lib/f8')!))
  for (const name of names.slice(1).filter((name) => !/\/f[78]$/.test(name)))
    assert.equal(found.get(name), readFileSync(join(prefix, name), 'utf8'))
  for (const name of ['lib64/f1', 'lib/gone', 'lib/folder', 'lib/f7']) assert.ok(!found.has(name), name)
})

test('no file is read early once the listing of the folders has ended or was cancelled', { skip }, async (t) => {
  const names = Array.from({ length: 400 }, (_, n) => `lib/f${n}`)
  const prefix = await makePrefix(t, Object.fromEntries(names.map((name) => [name, 'content'])))
  const mount = await mountSlow(prefix, prefix, { latencyMs: 3, bandwidthMb: 0 })
  try {
    const early = await readEarly(prefix, recordedFiles(recorded(names), NONE))
    early.stop()
    const reads = await Promise.all(names.map((name) => early.take(name)))
    const begun = reads.filter((read) => read !== undefined).length
    // The first few, one by one, and those that were under way.
    assert.ok(begun >= 8 && begun <= 8 + 64, `${begun} were read`)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { open } = await mount.counters()
    assert.ok(open! <= 8 + 64, `${open} were opened`)
  } finally {
    await mount.unmount()
  }
})

test('a file that is replaced after it was read and before its folder is listed is read again, and no other file is', {
  skip,
}, async (t) => {
  const names = Array.from({ length: 60 }, (_, n) => `lib/f${n}`)
  const prefix = await makePrefix(t, Object.fromEntries(names.map((name) => [name, 'as it was'])))
  const mount = await mountSlow(prefix, prefix, { latencyMs: 3, bandwidthMb: 0, validSeconds: 0 })
  try {
    const early = await readEarly(prefix, recordedFiles(recorded(names), NONE))
    for (let wait = 0; wait < 1000 && (await mount.counters()).read! < names.length; wait++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    await writeFile(join(prefix, 'new'), 'another')
    await rename(join(prefix, 'new'), join(prefix, 'lib/f9'))
    const { entries } = await listTree({ prefix }, { isExcluded: NONE })
    early.compare(entries)
    const found = await Promise.all(names.map((name) => early.take(name)))
    assert.deepEqual(
      names.filter((_, at) => found[at] === undefined),
      ['lib/f9'],
    )
  } finally {
    await mount.unmount()
  }
})
