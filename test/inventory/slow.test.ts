import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow, type SlowMount, type SlowOptions } from '../../bench/slowfs/mount.ts'
import { listTree } from '../../src/inventory/list.ts'
import { readItems } from '../../src/inventory/read.ts'
import { inventory } from '../../src/inventory/walk.ts'
import { fsPath } from '../../src/model/byte-path.ts'
import { temporaryFolder } from './prefix.ts'

const skip = slowfsUnavailable() ?? false
const FOLDERS = 40
const FILES = 10
const makeScanner = () => ({ push() {}, finish: () => undefined })

/** 40 folders with 10 files each, in chains four deep, and a link in each folder. */
function tree(prefix: string): void {
  for (let folder = 0; folder < FOLDERS; folder++) {
    const first = folder - (folder % 4)
    const path = join(prefix, ...Array.from({ length: (folder % 4) + 1 }, (_, level) => `f${first + level}`))
    mkdirSync(path)
    for (let file = 0; file < FILES; file++) writeFileSync(join(path, `file-${file}`), `${folder} ${file}`)
    symlinkSync('file-0', join(path, 'link'))
  }
}

async function mounted<T>(
  t: TestContext,
  options: SlowOptions,
  body: (prefix: string, mount: SlowMount) => Promise<T>,
) {
  const prefix = await temporaryFolder(t)
  tree(prefix)
  const mount = await mountSlow(prefix, prefix, options)
  try {
    return { prefix, found: await body(prefix, mount) }
  } finally {
    await mount.unmount()
  }
}

async function read(prefix: string): Promise<Map<string, string>> {
  const { entries } = await listTree({ prefix }, { isExcluded: () => false })
  const found = new Map<string, string>()
  for await (const { entry, content } of readItems({ prefix }, entries, { makeScanner }))
    if (content) found.set(entry.path, String(content.chunks))
  return found
}

test('reading an environment looks up each name once, lists each folder once and opens each file once', {
  skip,
}, async (t) => {
  await mounted(t, { latencyMs: 1, bandwidthMb: 0, validSeconds: 3600 }, async (prefix, mount) => {
    assert.equal((await read(prefix)).size, FOLDERS * FILES)
    const { lookup, opendir, open, getattr, read: reads } = await mount.counters()
    assert.deepEqual(
      // The attributes of the prefix: once for itself, and once because listing it has changed its atime.
      { lookup, opendir, open, reads, getattr: getattr! <= 2 },
      {
        lookup: FOLDERS * (1 + FILES + 1),
        opendir: FOLDERS + 1,
        open: FOLDERS * FILES,
        reads: FOLDERS * FILES,
        getattr: true,
      },
    )
  })
})

test("files that are opened at the same time in one folder don't each look that folder up, even if the kernel soon forgets names", {
  skip,
}, async (t) => {
  await mounted(t, { latencyMs: 5, bandwidthMb: 0, validSeconds: 0.3 }, async (prefix, mount) => {
    // In a separate process, with as many threads as the launcher gives the program.
    const source = (name: string) => new URL(`../../src/inventory/${name}.ts`, import.meta.url)
    const code = `const { listTree } = await import('${source('list')}')
      const { readItems } = await import('${source('read')}')
      const [prefix] = process.argv.slice(1)
      const { entries } = await listTree({ prefix }, { isExcluded: (path) => path.endsWith('link') })
      await new Promise((resolve) => setTimeout(resolve, 400))
      process.send('listed')
      await new Promise((resolve) => process.once('message', resolve))
      for await (const _ of readItems({ prefix }, entries, { makeScanner: () => ({ push() {}, finish() {} }) }));
      process.disconnect()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, prefix], {
      env: { ...process.env, UV_THREADPOOL_SIZE: '128' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    await mount.reset()
    child.send('read')
    const [status] = await once(child, 'exit')
    assert.equal(status, 0)
    const { lookup } = await mount.counters()
    const names = FOLDERS * FILES
    // Otherwise each of ten files would look up its folder and up to three folders above.
    assert.ok(lookup! < names + FOLDERS * 6, `${lookup} look-ups for ${names} names`)
  })
})

test('an environment is listed in full on a file system that lists no types, names of any bytes included', {
  skip,
}, async (t) => {
  const look = async (prefix: string) => [
    await listTree({ prefix }, { isExcluded: () => false }),
    await inventory({ prefix }, { isExcluded: () => false }),
  ]
  const { prefix, found } = await mounted(t, { latencyMs: 0, types: false }, async (prefix) => {
    mkdirSync(fsPath(prefix, 'caf\xe9'))
    writeFileSync(fsPath(prefix, 'caf\xe9/\xff\xfe'), '')
    execFileSync('mkfifo', [join(prefix, 'fifo')])
    return await look(prefix)
  })
  assert.deepEqual(found, await look(prefix))
  const { skipped } = await listTree({ prefix }, { isExcluded: () => false })
  assert.deepEqual(skipped, [{ path: 'fifo', reason: 'is a FIFO' }])
})
