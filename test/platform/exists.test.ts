import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exists } from '../../src/platform/remote-fs.ts'
import { abandonCalls } from '../../src/platform/waiting.ts'

// Last in its process: nothing waits for a file server after it.
test('a signal that ends a look-up is no evidence that the original is gone', async () => {
  assert.equal(await exists(import.meta.dirname), true)
  assert.equal(await exists(`${import.meta.dirname}/missing`), false)
  const looking = exists(import.meta.dirname)
  abandonCalls()
  await assert.rejects(looking, { code: 'CANCELLED' })
})
