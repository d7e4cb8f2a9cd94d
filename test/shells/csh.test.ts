import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { dialects } from '../../src/activate/dialects.ts'
import { hook, unhook } from '../../src/activate/hook.ts'
import { active, NASTY_NAME, WAYS } from './cases.ts'
import { assertSame, CONDAS, TCSH, World } from './world.ts'

const q = dialects.tcsh.quote

const SCRIPTS = {
  'activate.d/a.csh': 'setenv TOOL_HOME "$CONDA_PREFIX/tool"\nsetenv ORDER "$TOOL_HOME a"\n',
  'activate.d/b.csh': 'setenv ORDER "$ORDER b"\nexit 3\nsetenv ORDER no\n',
  'activate.d/b.sh': 'this is not for csh\n',
  'deactivate.d/a.csh': 'unsetenv TOOL_HOME ORDER\nsetenv LEFT "$LEFT a"\n',
  'deactivate.d/b.csh': 'setenv LEFT "$CONDA_PREFIX b"\n( exit 4 )\n',
}

for (const conda of CONDAS) {
  describe(`tcsh, ${conda} conda`, () => {
    for (const [way, activate] of Object.entries(WAYS)) {
      test(`stage, unstage and conda deactivate agree with conda, ${way}`, () => {
        // conda's alias cuts what follows --stack at blanks.
        using world = new World(way.startsWith('stacked') ? 'ab' : 'a b')
        const original = world.environment('my', { variables: { DATA: 'x', CLOBBERED: 'y' }, scripts: SCRIPTS })
        const staged = world.stage(original)
        const kept = world.stage(original, 'local/kept')
        world.environment('other', { variables: { DATA: 'of other' } })
        const both = `${q(original)} ${q(staged)}`
        const clear = 'setenv LEFT ""'
        const again = activate.split('; ').at(-1)
        const run = world.run(
          TCSH,
          conda,
          `set prompt = '> '; setenv CLOBBERED before; ${clear}
          ${activate}
          dump before
          conda-stage stage ${both} || exit 9
          dump staged
          conda-stage unstage ${both} || exit 8
          ${clear}; dump after
          cp -R ${q(dirname(kept))} ${q(dirname(staged))}
          conda-stage stage ${both} conda || exit 7
          dump conda
          conda-stage unstage ${both} conda || exit 6
          ${clear}; dump conda-after
          conda deactivate; ${again}; conda deactivate; ${clear}; dump plain
          ${again}; ${clear}
          cp -R ${q(dirname(kept))} ${q(dirname(staged))}
          conda-stage stage ${both} || exit 5
          conda deactivate; ${clear}; dump left`,
        )
        assert.equal(run.status, 0, run.stderr)
        const [before, stage] = [world.dump('before'), world.dump('staged')]
        assertSame(world.dump('after'), before)
        assert.deepEqual(stage.env, {
          ...before.env,
          PATH: before.env.PATH!.replace(`${original}/bin`, `${staged}/bin`),
          CONDA_PREFIX: staged,
          CONDA_DEFAULT_ENV: staged,
          CONDA_PROMPT_MODIFIER: '(my*) ',
          TOOL_HOME: `${staged}/tool`,
          ORDER: `${staged}/tool a b`,
          LEFT: `${original} b a`,
        })
        assert.ok(stage.rest.includes('prompt\t(my*) > '))
        assertSame(world.dump('left'), world.dump('plain'))
        assert.deepEqual(world.dump('conda').env, stage.env)
        assertSame(world.dump('conda-after'), before)
      })
    }
  })
}

describe('tcsh', () => {
  for (const settings of [
    '',
    'set noclobber nonomatch',
    'set noglob backslash_quote',
    'set symlinks = expand echo_style = none',
  ]) {
    test(`any name and any value are staged, and nothing of ours stays: ${settings || 'plain'}`, () => {
      using world = new World(NASTY_NAME)
      const original = world.environment(NASTY_NAME, { variables: { DATA: NASTY_NAME } })
      const staged = world.stage(original)
      const both = `${q(original)} ${q(staged)}`
      const temporary = join(dirname(world.root), 'tmp')
      world.write('../tmp/keep', '')
      const run = world.run(
        TCSH,
        'none',
        `${settings}
        set prompt = ${q(`(${NASTY_NAME}) %~ > `)}
        dump before
        conda-stage stage ${both}
        dump staged
        conda-stage unstage ${both}
        conda-stage fail; echo "status $status"
        dump after`,
        {
          ...active(original),
          CONDA_DEFAULT_ENV: NASTY_NAME,
          CONDA_PROMPT_MODIFIER: `(${NASTY_NAME}) `,
          DATA: 'mine',
          TMPDIR: temporary,
        },
      )
      assert.equal(run.stdout, 'status 3\n', run.stderr)
      assertSame(world.dump('after'), world.dump('before'))
      assert.deepEqual(readdirSync(temporary), ['keep'])
      const { CONDA_PREFIX, PATH, DATA, CONDA_PROMPT_MODIFIER } = world.dump('staged').env
      assert.deepEqual(
        { CONDA_PREFIX, PATH, DATA, CONDA_PROMPT_MODIFIER },
        {
          CONDA_PREFIX: staged,
          PATH: `${staged}/bin:/usr/bin:/bin`,
          DATA: NASTY_NAME,
          CONDA_PROMPT_MODIFIER: `(${NASTY_NAME}*) `,
        },
      )
      assert.ok(world.dump('staged').rest.join('\n').includes(`(${NASTY_NAME}*) %~ > `))
    })
  }

  test('arguments, standard output and exit status pass through the alias, and held variables come back', () => {
    using world = new World()
    const run = world.run(
      TCSH,
      'none',
      `conda-stage data > file
      conda-stage data | tr d D
      echo "caught \`conda-stage data\`"
      conda-stage fail || echo "status $status"
      conda-stage fail && echo no
      if ( 1 ) then
      conda-stage data
      endif
      conda-stage environment 'a call'
      ( setenv CONDA_STAGE false; conda-stage data && echo nothing done )
      mv ${q(world.checkout)} gone; conda-stage data >& /dev/null || echo "status $status"`,
      { LD_LIBRARY_PATH: '/nowhere/a:/nowhere/b', TMPDIR: '/nowhere' },
    )
    assert.equal(run.stdout, 'Data\ncaught data\nstatus 3\ndata\nnothing done\nstatus 1\n', run.stderr)
    assert.equal(readFileSync(join(world.root, 'file'), 'utf8'), 'data\n')
    const call = JSON.parse(readFileSync(join(world.root, 'a call'), 'utf8'))
    assert.deepEqual([call.shell.dialect, call.shell.ps1], ['tcsh', undefined])
    assert.equal(call.env.LD_LIBRARY_PATH, '/nowhere/a:/nowhere/b')
    assert.equal(call.env.LD_PRELOAD, undefined)
    assert.deepEqual(
      Object.keys(call.env).filter((name) => name.startsWith('__CONDA_STAGE')),
      [],
    )
  })

  test('aliases in the place of builtins and programs are passed by', () => {
    using world = new World()
    const original = world.environment('my', { variables: { DATA: 'x' } })
    const staged = world.stage(original)
    const run = world.run(
      TCSH,
      'none',
      `foreach name ( setenv unsetenv source exit exec shift rehash rm cd mktemp sh env )
      alias $name 'echo bad'
      end
      conda-stage stage ${q(original)} ${q(staged)}
      echo "$CONDA_PREFIX $DATA"
      conda-stage unstage ${q(original)} ${q(staged)}
      echo "$CONDA_PREFIX"`,
      active(original),
    )
    assert.equal(run.stdout, `${staged} x\n${original}\n`, run.stderr)
  })

  test('PATH keeps its order, and what deactivate.d and the session did to it', () => {
    using world = new World()
    const original = world.environment('my', {
      scripts: {
        'deactivate.d/a.csh': 'set path = ( $path[2-]:q )\n',
        'activate.d/a.csh': 'set path = ( /added $path:q )\n',
      },
    })
    const staged = world.stage(original)
    const path = (prefix: string) => `/added:/x y:${prefix}/bin:${original}2/bin:/usr/bin:/bin:${prefix}:${prefix}/a/b`
    const run = world.run(
      TCSH,
      'none',
      `conda-stage stage ${q(original)} ${q(staged)}; echo "$PATH"
      set path = ( /mine $path:q )
      conda-stage unstage ${q(original)} ${q(staged)}; echo "$PATH"`,
      { CONDA_PREFIX: original, PATH: path(original) },
    )
    assert.equal(run.stdout, `${path(staged)}\n${path(original).replace('/added:', '/added:/added:')}\n`, run.stderr)
  })

  test('empty entries of PATH stay', () => {
    using world = new World()
    const original = world.environment('my')
    const staged = world.stage(original)
    const PATH = `:${original}/bin::/usr/bin:/bin:`
    const both = `${q(original)} ${q(staged)}`
    const script = `conda-stage stage ${both}; echo "$PATH"; conda-stage unstage ${both}; echo "$PATH"`
    const run = world.run(TCSH, 'none', script, { CONDA_PREFIX: original, PATH })
    assert.equal(run.stdout, `${PATH.replace(original, staged)}\n${PATH}\n`, run.stderr)
  })

  test('a stage that conda can not activate, or no conda at all, leaves the original active', () => {
    for (const conda of ['stand-in', 'none'] as const) {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      const run = world.run(
        TCSH,
        conda,
        `if ( "\`alias conda\`" != "" ) then
        conda activate my
        endif
        rm -r ${q(`${staged}/conda-meta`)}
        dump before
        conda-stage stage ${q(original)} ${q(staged)} conda || echo "status $status"
        dump after`,
        conda === 'none' ? active(original) : {},
      )
      assert.equal(run.stdout, 'status 1\n', run.stderr)
      assert.match(run.stderr, /ERROR: no conda function\n$/)
      assertSame(world.dump('after'), world.dump('before'))
    }
  })

  test('removal comes last, and its failure is the status', () => {
    using world = new World()
    const original = world.environment('my', { scripts: { 'activate.d/a.csh': 'sh -c "echo activated 1>&2"\n' } })
    const staged = world.stage(original)
    const run = world.run(
      TCSH,
      'none',
      `conda-stage unstage ${q(original)} ${q(staged)}; echo "$CONDA_PREFIX"
      conda-stage unstage ${q(original)} ${q(staged)} || echo "status $status"`,
      active(staged),
    )
    assert.equal(run.stdout, `${original}\nstatus 1\n`)
    assert.match(run.stderr, /^activated\nINFO: removed\nactivated\n/)
    assert.equal(existsSync(staged), false)
  })

  test('a script that runs with -e goes on after success, and ends with the status of a failure', () => {
    using world = new World()
    const original = world.environment('my')
    const staged = world.stage(original)
    const both = `${q(original)} ${q(staged)}`
    const script = `conda-stage stage ${both}; conda-stage unstage ${both}; echo done; conda-stage fail; echo no`
    const run = world.run({ ...TCSH, argv: ['tcsh', '-fe'] }, 'none', script, active(original))
    assert.deepEqual([run.stdout, run.status], ['done\n', 3], run.stderr)
  })

  test('under the name csh, by eval of --source, and taken away again', () => {
    using world = new World()
    const csh = join(world.root, 'csh')
    symlinkSync('/usr/bin/tcsh', csh)
    world.write('hook', hook('csh', world.launcher))
    world.write('unhook', unhook('csh'))
    const run = world.run(
      { name: 'csh', dialect: 'tcsh', argv: [csh, '-f'] },
      'none',
      `source ./unhook; alias conda-stage
      eval "\`cat hook\`"
      conda-stage data
      source ./unhook; source ./unhook; alias conda-stage`,
    )
    assert.equal(run.stdout, 'data\n', run.stderr)
  })

  test('at a prompt the session goes on after success and failure', () => {
    using world = new World()
    const original = world.environment('my')
    const staged = world.stage(original)
    world.write('hook', hook('tcsh', world.launcher))
    const lines = `source ./hook\nconda-stage stage ${q(original)} ${q(staged)}\necho "at $CONDA_PREFIX"\nconda-stage fail\necho "status $status of $#argv"\nexit\n`
    const env = { ...active(original), HOME: world.root, TERM: 'dumb' }
    const run = spawnSync('script', ['-qec', 'tcsh -f', '/dev/null'], {
      cwd: world.root,
      env,
      input: lines,
      encoding: 'utf8',
    })
    assert.ok(run.stdout.includes(`at ${staged}\r\n`), run.stdout)
    assert.match(run.stdout, /^# status 3 of 0\r$/m)
  })
})

test('another csh than tcsh is told that it will not do', () => {
  using world = new World()
  world.write('hook', hook('csh', world.launcher))
  const run = spawnSync('bsd-csh', ['-f', '-c', 'source hook; alias'], { cwd: world.root, encoding: 'utf8' })
  assert.equal(run.stdout, '')
  assert.match(run.stderr, /^ERROR: conda-stage needs tcsh: .*\n$/)
})
