import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { open } from '../../src/platform/remote-fs.ts'
import { abandonCalls } from '../../src/platform/waiting.ts'

// Last in its process: nothing waits for a file server after it.
test('a file that a server opens after nobody waits for it any more is closed, and does not end the process with an error', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'late-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const server = join(folder, 'server')
  execFileSync('mkfifo', [server])
  const opening = open(server, 'r')
  abandonCalls()
  await assert.rejects(opening, { code: 'CANCELLED' })
  // Whoever opens a FIFO waits for the other side: this one answers.
  closeSync(openSync(server, 'w'))
  for (let tries = 0; tries < 100 && isOpen(server); tries++) await pause(20)
  assert.equal(isOpen(server), false)
})

const isOpen = (path: string): boolean =>
  readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false // that of the listing itself
    }
  })
