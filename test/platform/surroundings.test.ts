import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { programOf } from '../../src/platform/surroundings.ts'

test('a program that an update replaced while it runs is shown by its name', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'program-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'nap')
  copyFileSync(realpathSync('/bin/sleep'), program)
  const child = spawn(program, ['100'])
  await once(child, 'spawn')
  try {
    assert.equal(programOf(child.pid!), 'nap')
    rmSync(program)
    assert.equal(programOf(child.pid!), 'nap')
  } finally {
    child.kill()
  }
})
