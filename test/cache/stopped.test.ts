import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withArchiveLock } from '../../src/cache/lock.ts'
import { abandonCalls } from '../../src/platform/waiting.ts'

test('a packer that is stopped while it gives its lock back leaves no lock', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'stopped-'))
  context.after(() => rmSync(folder, { recursive: true }))
  // The calls that give it back have begun by then.
  await withArchiveLock(join(folder, 'my.tar.zst'), {}, async () => {
    assert.deepEqual(readdirSync(folder), ['.my.tar.zst.lock'])
    setImmediate(abandonCalls)
  })
  assert.deepEqual(readdirSync(folder), [])
})
