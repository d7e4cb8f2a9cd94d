import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SLAB, Slabs } from '../../src/inventory/slabs.ts'
import { generator } from '../relocate/helpers.ts'

test('no memory is handed out twice while its content is in use, in whatever order contents are released', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = generator(seed)
    const slabs = new Slabs()
    const inUse: { buffer: Buffer; value: number }[] = []
    for (let step = 0; step < 400; step++) {
      if (inUse.length < 40 && random(100) < 52) {
        const length = random(20) === 0 ? SLAB : random(random(2) === 0 ? 5000 : SLAB)
        const value = step % 251
        inUse.push({ buffer: slabs.allocate(length).fill(value), value })
        assert.equal(inUse.at(-1)!.buffer.length, length)
      } else if (inUse.length > 0) {
        const [{ buffer, value }] = inUse.splice(random(inUse.length), 1) as [(typeof inUse)[0]]
        assert.ok(
          buffer.every((byte) => byte === value),
          `seed ${seed}, step ${step}`,
        )
        slabs.release(buffer)
      }
    }
  }
})

test('a gigabyte that is read in pieces takes a few megabytes of memory', () => {
  const slabs = new Slabs()
  const seen = new Set<ArrayBufferLike>()
  const inUse: Buffer[] = []
  for (let step = 0; step < 50_000; step++) {
    inUse.push(slabs.allocate(20_000))
    seen.add(inUse.at(-1)!.buffer)
    if (inUse.length > 100) slabs.release(inUse.shift()!)
  }
  assert.ok(seen.size <= 6, `${seen.size} slabs`)
})
