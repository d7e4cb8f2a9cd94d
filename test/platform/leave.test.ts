import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { temporaryFolder } from '../inventory/prefix.ts'

const LEAVE = new URL('../../src/platform/leave.ts', import.meta.url).pathname

test('what waits for the end of a session starts even if the terminal closes at that moment', async (context) => {
  const folder = await temporaryFolder(context)
  const [begun, done] = [`${folder}/begun`, `${folder}/done`]
  // As on a busy machine: the terminal closes before setsid has run.
  const slow = `#!/bin/sh\n: > '${begun}'\nsleep 1\nexec /usr/bin/setsid "$@"\n`
  writeFileSync(`${folder}/setsid`, slow, { mode: 0o755 })
  const successor = { argv: ['touch', done], env: { PATH: `${folder}:/usr/bin:/bin` } }
  const code = `import { leave, startAtEnd } from '${LEAVE}'
    startAtEnd(${JSON.stringify(successor)})
    await leave(0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { detached: true, stdio: 'ignore' })
  await once(child, 'exit')
  await until(() => existsSync(begun))
  process.kill(-child.pid!, 'SIGHUP')
  await until(() => existsSync(done))
})

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 200, 'it never happened')
    await pause(50)
  }
}
