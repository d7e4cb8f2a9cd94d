/** What becomes of a copy that was staged by hand when its session ends or leaves it. */
import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { processesUsing } from '../../src/platform/users-of.ts'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { EVERY_SHELL } from '../shells/cases.ts'
import { Session } from './manual-session.ts'

for (const shell of EVERY_SHELL) {
  const { name, dialect, quote: q } = shell
  const pid = dialect === 'fish' ? '$fish_pid' : '$$'

  describe(name, () => {
    test('a copy that was staged by hand is removed when the session ends', async () => {
      using session = new Session(shell)
      const run = session.script('stage\ntool\nexit 4')
      assert.ok(session.isCopy(run.stdout.trimEnd(), '/bin/tool'), run.stderr)
      assert.equal(run.status, 4)
      // tcsh runs nothing at its end.
      if (dialect !== 'tcsh') assert.deepEqual(session.stages(), [])
      await session.gone()
    })

    test('a copy that was staged by hand is removed when the shell is killed', async () => {
      using session = new Session(shell)
      const run = session.script(`stage\ntool\nkill -KILL ${pid}`)
      assert.ok(session.isCopy(run.stdout.trimEnd(), '/bin/tool'), run.stderr)
      await session.gone()
    })

    test('conda deactivate removes a copy that was staged by hand, and another environment on top does not', () => {
      using session = new Session(shell)
      const list = `ls ${q(session.local)}`
      const run = session.script(
        `conda activate my
        stage
        conda activate other
        ${list}
        conda deactivate
        tool
        conda deactivate
        echo left
        ${list}`,
        {},
        'stand-in',
      )
      const [folder, tool, ...rest] = run.stdout.split('\n')
      assert.equal(tool, `${session.local}/${folder}/my/bin/tool`, run.stderr)
      assert.deepEqual(rest, ['left', ''])
    })

    test('with --keep, the copy stays after conda deactivate and after the session', () => {
      using session = new Session(shell)
      const run = session.script('conda activate my\nstage --keep\ntool\nconda deactivate', {}, 'stand-in')
      const folder = dirname(dirname(dirname(run.stdout.trimEnd())))
      assert.deepEqual(
        session.stages().map((name) => `${session.local}/${name}`),
        [folder],
        run.stderr,
      )
    })

    test('a copy from which a program still runs is removed when the program ends, after the session', async () => {
      using session = new Session(shell)
      // It keeps no output open: otherwise the script would seem to end only when it does.
      const runs = `sh -c 'until ls -l /proc/[0-9]*/exe 2> /dev/null | grep -qF "> $1/"; do sleep 0.1; done' sh ${q(session.local)}`
      const run = session.script(
        `stage\nsh -c 'exec naps 600 > /dev/null 2>&1' &\n${runs}\necho end`,
        undefined,
        'none',
      )
      assert.equal(run.stdout.includes('end\n'), true, run.stderr)
      assert.equal(session.stages().length, 1)
      for (const pid of processesUsing(session.local)) process.kill(pid)
      await session.gone()
    })
  })
}

const [bash] = EVERY_SHELL

test('a copy for a program (--prefix) stays when the session ends', () => {
  using session = new Session(bash!)
  session.script(`${bash!.quote(LAUNCHER)} --quiet --prefix=${session.prefix} --path=${session.local}
    conda-stage --quiet --prefix=${session.prefix} --path=${session.local}`)
  assert.equal(session.stages().length, 1)
})

test('if the original is gone when the session ends, the copy stays and a warning names both', () => {
  using session = new Session(bash!)
  const run = session.script(`stage\nmv ${session.prefix} ${session.prefix}.away`)
  assert.match(
    run.stderr,
    /^WARNING: (.*\/conda-stage_\w+\/my) is kept, because its original .*\/envs\/my is gone\. To remove it: conda-stage --unstage --force --prefix=\1\n$/,
  )
  assert.equal(session.stages().length, 1)
  // The next to clean up there does not take it for debris.
  session.script(`conda-stage --quiet --clean --path=${session.local}`)
  assert.equal(session.stages().length, 1)
})

test('a subshell that ends leaves the copy of its parent alone', () => {
  using session = new Session(bash!)
  const run = session.script('stage\n( exit 3 )\n( conda-stage --quiet --unstage; tool )\ntool')
  const [inner, outer] = run.stdout.split('\n')
  assert.equal(inner, `${session.prefix}/bin/tool`, run.stderr)
  assert.ok(session.isCopy(outer, '/bin/tool'), run.stderr)
})

test('conda-stage --verify finds nothing in a copy that was staged by hand and goes with its session', () => {
  using session = new Session(bash!, { scripts: { 'deactivate.d/tool.sh': '' } })
  const run = session.script('stage\nconda-stage --verify --json')
  assert.equal(run.status, 0, run.stderr)
  assert.deepEqual(JSON.parse(run.stdout).findings, [])
})
