/** Who gets an error finds its cure. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

test('docs/troubleshooting.md has a cure for every error code, and for no other', () => {
  const codes = [...read('src/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code!)
  const rows = [...read('docs/troubleshooting.md').matchAll(/^\| `([A-Z_]+)` *\| (.*?) *\| (.*?) *\|$/gm)]
  assert.ok(codes.length > 40, `${codes}`)
  assert.deepEqual(rows.map(([, code]) => code).sort(), codes.sort())
  for (const [row, , means, cure] of rows) assert.ok(means!.length > 10 && cure!.length > 10, row)
})
