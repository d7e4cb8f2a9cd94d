/** What staging and unstaging make of a session's state, in each shell, with the program that ships. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { active, EVERY_SHELL, scriptsOf } from '../shells/cases.ts'
import { assertSame, CONDAS, quoted } from '../shells/world.ts'
import { Session } from './manual-session.ts'

/** Values of PATH when the environment is staged: `here` is its prefix, `link` another path to the folder of environments. */
const PATHS: Record<string, (here: string, link: string) => string> = {
  'has been reset': () => '/usr/bin:/bin',
  'names the environment through a link': (_, link) => `/usr/bin/none:${link}/my/bin:/usr/bin:/bin`,
  'names the environment with double slashes, dots and a trailing slash': (here) =>
    `${here}//bin:/usr/bin:${here}/./bin:${here}/bin/:/bin`,
  'names the environment in several ways': (here, link) => `${link}/my/bin/:${here}/bin:/usr/bin:/bin:${link}/my/bin`,
  'names a neighbour with a longer name only': (here) => `${here}2/bin:/usr/bin:/bin`,
}

for (const shell of EVERY_SHELL) {
  const { name, set, or, status, quote: q } = shell
  const echo = (variable: string) => `echo "$${variable}"`

  describe(name, () => {
    for (const [what, path] of Object.entries(PATHS)) {
      test(`if PATH ${what}, programs still come from the copy, and --unstage gives PATH back`, () => {
        using session = new Session(shell)
        const link = join(session.world.root, 'link')
        symlinkSync(join(session.world.conda, 'envs'), link)
        const PATH = path(session.prefix, link)
        const run = session.script(
          `${name === 'bash' ? 'shopt -s nocasematch' : ''}
          stage
          ${echo('PATH')}
          tool
          conda-stage --quiet --unstage
          ${echo('PATH')}`,
          { ...active(session.prefix), PATH },
        )
        const [staged = '', tool, after] = run.stdout.split('\n')
        assert.ok(session.isCopy(tool, '/bin/tool'), `${run.stderr}${run.stdout}`)
        assert.ok(
          !staged
            .split(':')
            .some((entry) => [session.prefix, `${link}/my`].includes(entry.replace(/[/.]*bin\/*$/, ''))),
        )
        assert.equal(after, PATH)
      })
    }

    test('if the session changes a PATH that did not name the environment, --unstage only removes the copy from it', () => {
      using session = new Session(shell)
      const run = session.script(
        `stage
        ${set('PATH', '/mine:$PATH:/last')}
        conda-stage --quiet --unstage
        ${echo('PATH')}`,
        { ...active(session.prefix), PATH: '/usr/bin:/bin' },
      )
      assert.equal(run.stdout, '/mine:/usr/bin:/bin:/last\n', run.stderr)
    })

    test('if PATH is reset while the copy is active, conda-stage puts the copy there again, and --unstage the original', () => {
      using session = new Session(shell)
      const run = session.script(
        `stage
        ${set('PATH', '/usr/bin:/bin')}
        stage
        tool
        ${set('PATH', '/usr/bin:/bin')}
        conda-stage --quiet --unstage
        tool`,
      )
      const [staged, after] = run.stdout.split('\n')
      assert.ok(session.isCopy(staged, '/bin/tool'), run.stderr)
      assert.equal(after, `${session.prefix}/bin/tool`)
      assert.deepEqual(session.stages(), [])
    })

    test('conda-stage in a session that is staged says so, succeeds and changes nothing', () => {
      using session = new Session(shell)
      const run = session.script(
        `stage
        dump first
        ${or('conda-stage', `echo failed`)}
        echo "status ${status}"
        dump second`,
      )
      assert.equal(run.stdout, 'status 0\n', run.stderr)
      assert.match(run.stderr, new RegExp(`^INFO: Already staged: .*/my is the copy of ${session.prefix}$`, 'm'))
      assertSame(session.world.dump('second'), session.world.dump('first'))
    })

    test('if the original is gone, --unstage fails and keeps the copy; --force removes it', () => {
      using session = new Session(shell)
      const run = session.script(
        `stage
        mv ${q(session.prefix)} ${q(`${session.prefix}.away`)}
        ${or('conda-stage --quiet --unstage', `echo "status ${status}"`)}
        tool
        conda-stage --quiet --unstage --force
        ${echo('CONDA_PREFIX')}`,
      )
      const [failed, tool, after] = run.stdout.split('\n')
      assert.equal(failed, 'status 1')
      assert.ok(session.isCopy(tool, '/bin/tool'), run.stderr)
      assert.match(run.stderr, /^ERROR: The original environment .*\/my is gone.*\n {7}.*--unstage --force/)
      assert.equal(after, session.prefix)
      assert.deepEqual(session.stages(), [])
    })

    test('variables that were unset before staging are unset after --unstage', () => {
      using session = new Session(shell, { variables: { DATA: 'x', OTHER: 'y' } })
      const { CONDA_DEFAULT_ENV, CONDA_PROMPT_MODIFIER, ...few } = active(session.prefix)
      const run = session.script(
        `dump before
        stage
        dump staged
        conda-stage --quiet --unstage
        dump after`,
        few,
      )
      assert.equal(session.world.dump('staged').env.DATA, 'x', run.stderr)
      assert.deepEqual(session.world.dump('after').env, session.world.dump('before').env)
    })

    test('if a child shell unstages, its parent still has the copy and can unstage', () => {
      using session = new Session(shell)
      session.world.write(
        'child',
        `eval "$(${quoted(LAUNCHER)} --source=bash)"; conda-stage --unstage; tool; echo "$CONDA_PREFIX"`,
      )
      const run = session.script(
        `stage
        bash ./child
        tool
        conda-stage --quiet --unstage
        tool`,
      )
      const [inner, prefix, outer, after] = run.stdout.split('\n')
      assert.deepEqual([inner, prefix], [`${session.prefix}/bin/tool`, session.prefix], run.stderr)
      assert.match(run.stderr, /INFO: The copy stays: process \d+ uses it/)
      assert.ok(session.isCopy(outer, '/bin/tool'), run.stderr)
      assert.equal(after, `${session.prefix}/bin/tool`)
      assert.deepEqual(session.stages(), [])
    })

    const lying = {
      fails: { sh: 'conda() { return 3; }', fish: 'function conda; return 3; end', tcsh: "alias conda 'false'" },
      'does nothing': { sh: 'conda() { :; }', fish: 'function conda; end', tcsh: "alias conda 'true'" },
      'leaves and then fails': {
        sh: 'conda() { case $1 in deactivate) export CONDA_PREFIX= CONDA_SHLVL=0 DATA= PATH=/usr/bin:/bin ;; *) return 1 ;; esac; }',
        fish: `function conda; if test $argv[1] = deactivate; set -e CONDA_PREFIX; set -gx CONDA_SHLVL 0; set -e DATA; set -gx PATH /usr/bin /bin
          else; return 1; end; end`,
        tcsh: "echo 'if ( $1 == activate ) exit 1' > .conda; echo 'unsetenv CONDA_PREFIX DATA; setenv CONDA_SHLVL 0; setenv PATH /usr/bin:/bin' >> .conda; alias conda source ./.conda",
      },
    }
    for (const [how, code] of Object.entries(lying)) {
      test(`with --activator=conda, a conda that ${how} leaves the session as it was and no copy`, () => {
        using session = new Session(shell, {
          variables: { DATA: 'x' },
          scripts: scriptsOf('activate.d/a', ({ addToPath }) => addToPath('/added')),
        })
        const load = shell.dialect === 'fish' || shell.dialect === 'tcsh' ? code[shell.dialect] : code.sh
        const run = session.script(
          `${shell.prompt('(my) > ')}
          ${load}
          dump before
          ${or('stage --activator=conda', `echo "status ${status}"`)}
          dump after`,
          { ...active(session.prefix), DATA: 'x', PATH: `/added:${session.prefix}/bin:/usr/bin:/bin` },
        )
        assert.equal(run.stdout, 'status 1\n', run.stderr)
        assert.match(run.stderr, /ERROR: conda could not activate the staged copy/)
        assertSame(session.world.dump('after'), session.world.dump('before'))
        assert.deepEqual(session.stages(), [])
      })
    }

    for (const conda of CONDAS) {
      test(`with --activator=conda, an environment whose path conda can not write stays active (${conda} conda)`, () => {
        using session = new Session(shell, {}, shell.dialect === 'fish' ? 'two$dollars' : "o'brien")
        const run = session.script(
          `dump before
          ${or('stage --activator=conda', `echo "status ${status}"`)}
          dump after`,
          active(session.prefix),
          // The hook of conda has to be loaded from a path that conda can write.
          conda === 'real' ? conda : 'none',
        )
        assert.equal(run.stdout, 'status 1\n', run.stderr)
        assert.match(
          run.stderr,
          /ERROR: conda can't activate .*\/my, because of a special character in the path\n {7}Leave out/,
        )
        assertSame(session.world.dump('after'), session.world.dump('before'))
        assert.deepEqual(session.stages(), [])
      })
    }
  })
}
