/** Cleaners of temporary folders, which remove what is old. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hook, Session } from '../end-to-end/manual-session.ts'
import { EVERY_SHELL } from '../shells/cases.ts'

test('systemd-tmpfiles leaves a copy that a session uses as it is, however old it is, and removes what nobody uses', async () => {
  using session = new Session(EVERY_SHELL[0]!)
  const { local } = session
  mkdirSync(join(local, 'old/folder'), { recursive: true })
  writeFileSync(join(local, 'old/folder/file'), '')
  const conf = join(local, '../tmpfiles.conf')
  writeFileSync(conf, `d ${local} 0755 - - 1s\n`)
  const run = session.script(`stage
    sleep 3
    systemd-tmpfiles --clean '${conf}'
    find "$CONDA_PREFIX" | wc -l
    find '${session.prefix}' | wc -l
    tool
    ls '${local}'`)
  const [copied, original, tool, ...left] = run.stdout.trimEnd().split('\n')
  assert.ok(Number(copied) >= Number(original), run.stdout + run.stderr)
  assert.ok(session.isCopy(tool, '/bin/tool'), run.stdout + run.stderr)
  assert.deepEqual(left.length, 1, 'the other folder is gone')
  await session.gone()
  mkdirSync(join(local, 'conda-stage_AbCd/x'), { recursive: true })
  await sleep(1500)
  execFileSync('systemd-tmpfiles', ['--clean', conf])
  assert.ok(existsSync(local) && readdirSync(local).length === 0)
})

test('systemd-tmpfiles leaves a copy alone that a script got by --prefix, for as long as the script runs, and one process sees to that', async () => {
  using session = new Session(EVERY_SHELL[0]!)
  const { local } = session
  const conf = join(local, '../tmpfiles.conf')
  writeFileSync(conf, `d ${local} 0755 - - 1s\n`)
  const script = `for n in 1 2 3; do copy=$(conda-stage --quiet --path='${local}' --prefix='${session.prefix}'); done
    sleep 3
    systemd-tmpfiles --clean '${conf}'
    "$copy/bin/tool"
    for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep "watch.sh.*$copy" > /dev/null && echo guard; done 2> /dev/null`
  const command = ['--wait', 'bash', '-c', `${hook(EVERY_SHELL[0]!)}\n${script}`]
  const { stdout, stderr } = spawnSync('setsid', command, { encoding: 'utf8' })
  const [tool, ...guards] = stdout.trimEnd().split('\n')
  assert.ok(session.isCopy(tool, '/bin/tool'), stdout + stderr)
  assert.deepEqual(guards, ['guard'])
  // The script has ended, and the guard with it.
  for (let n = 0; n < 50 && readdirSync(local).length > 0; n++) {
    await sleep(200)
    execFileSync('systemd-tmpfiles', ['--clean', conf])
  }
  assert.deepEqual(readdirSync(local), [])
})
