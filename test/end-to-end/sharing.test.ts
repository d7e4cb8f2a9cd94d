/** Sessions in every shell that share a copy with somebody else. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { EVERY_SHELL } from '../shells/cases.ts'
import { Session } from './manual-session.ts'

/** Somebody else's copy of the session's environment, and a way to make them go. */
function somebodyElse(session: Session) {
  const other = spawn('sleep', ['300'], { stdio: 'ignore' })
  const prefix = execFileSync(
    LAUNCHER,
    ['--quiet', `--prefix=${session.prefix}`, `--path=${session.local}`, `--session=${other.pid}`],
    { encoding: 'utf8' },
  ).trimEnd()
  return { prefix, [Symbol.dispose]: () => void other.kill('SIGKILL') }
}

for (const shell of EVERY_SHELL) {
  const { name } = shell

  describe(name, () => {
    test('a session joins the copy of another one, and leaves it to that one when it unstages', () => {
      using session = new Session(shell)
      using other = somebodyElse(session)
      const run = session.script('stage\ntool\nconda-stage --unstage\ntool')
      assert.equal(run.stdout, `${other.prefix}/bin/tool\n${session.prefix}/bin/tool\n`, run.stderr)
      assert.match(run.stderr, /INFO: The copy stays: process \d+ uses it\n/)
      assert.equal(session.stages().length, 1)
      assert.equal(readdirSync(join(session.local, session.stages()[0]!, '.leases')).length, 1)
    })

    test('a session that ends gives its copy back, and no more than that', async () => {
      using session = new Session(shell)
      using other = somebodyElse(session)
      const run = session.script('stage\ntool\nexit 3')
      assert.equal(run.stdout, `${other.prefix}/bin/tool\n`, run.stderr)
      assert.equal(run.status, 3)
      const leases = () => readdirSync(join(session.local, session.stages()[0]!, '.leases'))
      for (let tries = 0; tries < 100 && leases().length > 1; tries++) await new Promise((done) => setTimeout(done, 50))
      assert.equal(leases().length, 1)
    })

    test('conda deactivate leaves a shared copy to the others', () => {
      using session = new Session(shell)
      using other = somebodyElse(session)
      const run = session.script('conda activate my\nstage\ntool\nconda deactivate', {}, 'stand-in')
      assert.equal(run.stdout, `${other.prefix}/bin/tool\n`, run.stderr)
      assert.equal(session.stages().length, 1)
      assert.equal(readdirSync(join(session.local, session.stages()[0]!, '.leases')).length, 1)
    })
  })
}

test('a shell that staged and also asked for the path of the copy is told that the copy stays until it ends', async () => {
  using session = new Session(EVERY_SHELL[0]!)
  const run = session.script(
    `stage; P=$(conda-stage --quiet --path='${session.local}' --prefix='${session.prefix}'); conda-stage --unstage; "$P/bin/tool"`,
  )
  assert.match(
    run.stderr,
    /INFO: The copy stays until this shell ends, which has also asked for its path with --prefix\n/,
  )
  assert.match(run.stdout, new RegExp(`^${session.local}/conda-stage_\\w+/my/bin/tool\n$`), run.stderr)
})
