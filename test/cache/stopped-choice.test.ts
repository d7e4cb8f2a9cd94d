import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { chooseWritable } from '../../src/cache/candidates.ts'
import { abandonCalls } from '../../src/platform/waiting.ts'

// Last in its process: nothing waits for a file server after it.
test('a packer that is stopped while it looks for a place takes no other place instead', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'stopped-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const choosing = chooseWritable([join(folder, 'first.tar.zst'), join(folder, 'second.tar.zst')], new Map())
  // Its first call begins, and no answer to it can come in between.
  for (let turn = 0; turn < 50; turn++) await undefined
  abandonCalls()
  await assert.rejects(choosing, { code: 'CANCELLED' })
  assert.deepEqual(readdirSync(folder), [])
})
