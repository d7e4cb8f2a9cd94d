import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compressSync, decompressSync } from '../../src/archive/codec.ts'
import { FrameWorkers } from '../../src/workers/pool.ts'
import type { Piece } from '../../src/workers/work-list.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

const MIB = 1024 * 1024

/** Shared memory, as that of frames. */
function frame(size: number, fill: string): Buffer {
  return Buffer.from(new SharedArrayBuffer(size)).fill(fill)
}

const piece = (path: string, length: number): Piece => {
  const place = { frame: 0, frameOffset: 0, contentOffset: 0, length, fileSize: length }
  return { path, mode: 0o644, mtime: 1_700_000_000, ...place }
}

test('a frame of any size decompresses to what it was, and threads compress it as the main thread does', async () => {
  for (const format of ['tar.zst', 'tar.gz'] as const) {
    const workers = new FrameWorkers(2)
    try {
      const contents = [100, 3 * MIB, 50, 4 * MIB, 200_000].map((size, at) => frame(size, `text ${at} `))
      const found = await Promise.all(contents.map((content) => workers.compress(format, content, 3)))
      for (const [at, content] of contents.entries()) {
        assert.ok(decompressSync(format, found[at]!, content.length).equals(content))
        if (content.length > 2 * MIB) assert.ok(found[at]!.equals(compressSync(format, content, 3)))
      }
    } finally {
      await workers.end()
    }
  }
})

test('a failing request rejects with its own error, and the other requests of that thread are still done', async (t) => {
  const root = await temporaryFolder(t)
  const target = { root, from: ['/original'], to: '/staged', umask: 0o022 }
  writeFileSync(join(root, 'there'), 'was there')
  const workers = new FrameWorkers(1)
  try {
    const content = frame(3 * MIB, 'new ')
    const outcomes = await Promise.allSettled([
      workers.compress('tar.zst', content, 3),
      workers.write(content, [piece('there', 4)], target),
      workers.write(content, [piece('another', 4)], target),
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.equal((outcomes[1] as PromiseRejectedResult).reason.code, 'EEXIST')
    assert.equal(readFileSync(join(root, 'there'), 'utf8'), 'was there')
    assert.equal(readFileSync(join(root, 'another'), 'utf8'), 'new ')
  } finally {
    await workers.end()
  }
})

test('ending the threads settles every request', async () => {
  const workers = new FrameWorkers(2)
  const asked = Array.from({ length: 8 }, () => workers.compress('tar.zst', frame(4 * MIB, 'x'), 19))
  const outcomes = Promise.allSettled(asked)
  await workers.end()
  assert.ok((await outcomes).some(({ status }) => status === 'rejected'))
})
