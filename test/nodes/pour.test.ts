import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { pour } from '../../src/nodes/pour.ts'

const SIZE = 20 * 1024 * 1024 + 5

/** Counts what is read of it. */
function fileOf(content: Buffer) {
  const file = { read: 0, handle: undefined as unknown as FileHandle }
  file.handle = {
    read: async (into: Buffer, offset: number, length: number, position: number) => {
      const bytesRead = content.copy(into, offset, position, position + length)
      file.read += bytesRead
      return { bytesRead }
    },
  } as unknown as FileHandle
  return file
}

const lasting = { signal: new AbortController().signal, goesOn: () => true }

test('the archive is read once for all nodes, at the pace of the slowest, and a node that dies stops nobody', async () => {
  const content = randomBytes(SIZE)
  const file = fileOf(content)
  let ahead = 0
  const nodes = [0, 5, 1].map((delay) => {
    const got: Buffer[] = []
    const input = new Writable({
      write: async (block, _, done) => {
        for (let turn = 0; turn < delay * 10; turn++) await setImmediate()
        got.push(block)
        ahead = Math.max(ahead, file.read - Buffer.concat(got).length)
        done()
      },
    })
    return { got, input }
  })
  let taken = 0
  const dying = new Writable({
    write: (block, _, done) => {
      taken += block.length
      if (taken < SIZE / 2) done()
      else dying.destroy()
    },
  })
  await pour({ path: '/a', handle: file.handle, size: SIZE }, [...nodes.map(({ input }) => input), dying], lasting)
  for (const { got, input } of nodes) {
    input.end()
    await finished(input)
    assert.ok(Buffer.concat(got).equals(content))
  }
  assert.equal(file.read, SIZE)
  assert.ok(ahead <= 4 * 1024 * 1024, `${ahead} bytes waited in memory for the slowest node`)
})

test('an archive that became shorter while it was sent is an error, and not a wait for ever', async () => {
  const file = fileOf(randomBytes(SIZE / 2))
  const input = new Writable({ write: (_block, _, done) => done() })
  await assert.rejects(pour({ path: '/a', handle: file.handle, size: SIZE }, [input], lasting), {
    code: 'ARCHIVE_DAMAGED',
  })
})

test('sending ends at once on Ctrl-C, even if a node takes nothing', { timeout: 10_000 }, async () => {
  const file = fileOf(randomBytes(SIZE))
  const stop = new AbortController()
  const stuck = new Writable({ write: () => void setImmediate().then(() => stop.abort()) })
  await assert.rejects(
    pour({ path: '/a', handle: file.handle, size: SIZE }, [stuck], { ...lasting, signal: stop.signal }),
    { name: 'AbortError' },
  )
})
