import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeSparse } from '../../src/platform/write-sparse.ts'

test('what is written with holes is read as it was, wherever zeros begin and end, and in whatever order parts come', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'write-sparse-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'file')
  const size = fc.oneof(fc.nat(300_000), fc.nat(3), fc.integer({ min: 65_534, max: 65_538 }))
  const run = fc.record({ size, byte: fc.constantFrom(0, 0, 7) })
  const runs = fc.array(run, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(runs, fc.array(fc.nat(600_000), { maxLength: 4 }), fc.boolean(), (parts, cuts, backwards) => {
      const content = Buffer.concat(parts.map(({ size, byte }) => Buffer.alloc(size, byte)))
      const ends = [...new Set([0, ...cuts.map((cut) => Math.min(cut, content.length)), content.length])]
      const borders = ends.toSorted((a, b) => a - b)
      const pieces = borders.slice(1).map((end, n) => ({ from: borders[n]!, end }))
      const fd = openSync(path, 'w')
      let endsWithHole = false
      for (const { from, end } of backwards ? pieces.toReversed() : pieces) {
        const isHole = writeSparse(fd, content.subarray(from, end), from)
        if (end === content.length) endsWithHole = isHole
      }
      if (endsWithHole) ftruncateSync(fd, content.length)
      closeSync(fd)
      assert.ok(readFileSync(path).equals(content))
    }),
    { numRuns: 200 },
  )
})
