import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { hook, unhook } from '../../src/activate/hook.ts'
import { active, EVERY_SHELL, NASTY_NAME, scriptsOf } from './cases.ts'
import { assertSame, World } from './world.ts'

/** Settings under which the test of names and values runs once more. */
const SETTINGS: Partial<Record<string, readonly string[]>> = {
  tcsh: ['set noclobber nonomatch', 'set noglob backslash_quote', 'set symlinks = expand echo_style = none'],
}

for (const shell of EVERY_SHELL) {
  const { name, dialect, quote: q, set, or, status } = shell
  const both = (original: string, staged: string) => `${q(original)} ${q(staged)}`
  const isPosix = dialect !== 'fish' && dialect !== 'tcsh'

  describe(name, () => {
    for (const settings of ['', ...(SETTINGS[dialect] ?? [])]) {
      test(`any name and any value are staged, and nothing of ours stays, also after a failure${settings && `: ${settings}`}`, () => {
        using world = new World(NASTY_NAME)
        const original = world.environment(NASTY_NAME, { variables: { DATA: NASTY_NAME } })
        const staged = world.stage(original)
        const temporary = join(dirname(world.root), 'tmp')
        world.write('../tmp/keep', '')
        const run = world.run(
          shell,
          'none',
          `${settings}
          ${shell.prompt(`(${NASTY_NAME}) %~ > `)}
          dump before
          conda-stage stage ${both(original, staged)}
          dump staged
          conda-stage unstage ${both(original, staged)}
          ${or('conda-stage fail', `echo "status ${status}"`)}
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
        if (dialect === 'tcsh') assert.ok(world.dump('staged').rest.join('\n').includes(`(${NASTY_NAME}*) %~ > `))
      })
    }

    test('arguments, standard output and exit status pass through conda-stage', () => {
      using world = new World()
      const run = world.run(
        shell,
        'none',
        `conda-stage data > file
        conda-stage data | tr d D
        ${isPosix ? 'echo "caught $(conda-stage data)"' : dialect === 'fish' ? 'echo "caught "(conda-stage data)' : 'echo "caught `conda-stage data`"'}
        ${isPosix ? 'conda-stage data >&-; ' : ''}${or(`conda-stage fail${isPosix ? ' >&-' : ''}`, `echo "status ${status}"`)}
        conda-stage environment 'a call'`,
      )
      assert.equal(run.stdout, 'Data\ncaught data\nstatus 3\n', run.stderr)
      assert.equal(run.stderr, 'ERROR: failed\n')
      assert.equal(readFileSync(join(world.root, 'file'), 'utf8'), 'data\n')
      assert.equal(JSON.parse(readFileSync(join(world.root, 'a call'), 'utf8')).shell.dialect, dialect)
    })

    test('variables that the loader and Node must not see reach the program by another way', () => {
      using world = new World()
      const held = {
        LD_PRELOAD: '',
        LD_LIBRARY_PATH: '/nowhere/a:/nowhere/b',
        NODE_OPTIONS: '--no-such-option',
        NODE_PATH: '/x',
        UV_THREADPOOL_SIZE: '3',
      }
      const run = world.run(shell, 'none', 'conda-stage environment call', { ...held, PYTHONHOME: '/nowhere' })
      assert.equal(run.status, 0, run.stderr)
      const { env } = JSON.parse(readFileSync(join(world.root, 'call'), 'utf8'))
      for (const [variable, value] of Object.entries(held)) assert.equal(env[variable], value, variable)
      assert.deepEqual(
        Object.keys(env).filter((variable) => variable.startsWith('__CONDA_STAGE')),
        [],
      )
    })

    test('the program knows the process of the calling shell', () => {
      using world = new World()
      const own = dialect === 'fish' ? 'echo $fish_pid' : 'echo $$'
      const subshell = isPosix
        ? "( sh -c 'echo $PPID'; conda-stage environment inner )"
        : 'conda-stage environment inner'
      const run = world.run(
        shell,
        'none',
        `conda-stage environment call; ${own}\n${isPosix ? '' : `${own};`} ${subshell}`,
      )
      const pid = (name: string) => JSON.parse(readFileSync(join(world.root, name), 'utf8')).shell.pid
      assert.equal(run.stdout, `${pid('call')}\n${pid('inner')}\n`, run.stderr)
    })

    test('CONDA_STAGE=false does nothing and succeeds', () => {
      using world = new World()
      const run = world.run(shell, 'none', `conda-stage data; echo "status ${status}"`, { CONDA_STAGE: 'false' })
      assert.deepEqual([run.stdout, run.stderr], ['status 0\n', ''])
    })

    test('if the program is gone, conda-stage fails and leaves the session alone', () => {
      using world = new World()
      const script = `mv ${q(world.installation)} gone; ${or('conda-stage data', `echo "status ${status}"`)}`
      assert.equal(world.run(shell, 'none', script).stdout, 'status 1\n')
    })

    test('functions and aliases that shadow builtins and programs are bypassed', () => {
      using world = new World()
      const original = world.environment('my', { variables: { DATA: 'x' } })
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `${shell.shadow}
        conda-stage stage ${both(original, staged)}
        echo "$CONDA_PREFIX $DATA"
        conda-stage unstage ${both(original, staged)}
        echo "$CONDA_PREFIX"`,
        active(original),
      )
      assert.equal(run.stdout, `${staged} x\n${original}\n`, run.stderr)
    })

    test('PATH keeps its order and what deactivate.d and the session did to it', () => {
      using world = new World()
      const original = world.environment('my', {
        scripts: {
          ...scriptsOf('deactivate.d/a', ({ dropFirstOfPath }) => dropFirstOfPath),
          ...scriptsOf('activate.d/a', ({ addToPath }) => addToPath('/added')),
        },
      })
      const staged = world.stage(original)
      const path = (prefix: string) =>
        `/added:/x y:${prefix}/bin:${original}2/bin:/usr/bin:/bin:${prefix}:${prefix}/a/b`
      const run = world.run(
        shell,
        'none',
        `conda-stage stage ${both(original, staged)}; echo "$PATH"
        ${shell.script.addToPath('/mine')}
        conda-stage unstage ${both(original, staged)}; echo "$PATH"`,
        { CONDA_PREFIX: original, PATH: path(original) },
      )
      assert.equal(run.stdout, `${path(staged)}\n${path(original).replace('/added:', '/added:/added:')}\n`, run.stderr)
    })

    // fish itself turns an empty entry into the current folder.
    if (dialect !== 'fish') {
      test('empty entries of PATH stay', () => {
        using world = new World()
        const original = world.environment('my')
        const staged = world.stage(original)
        const PATH = `:${original}/bin::/usr/bin:/bin:`
        const run = world.run(
          shell,
          'none',
          `conda-stage stage ${both(original, staged)}; echo "$PATH"
          conda-stage unstage ${both(original, staged)}; echo "$PATH"`,
          { CONDA_PREFIX: original, PATH },
        )
        assert.equal(run.stdout, `${PATH.replace(original, staged)}\n${PATH}\n`, run.stderr)
      })
    }

    test('what the session changes while it is staged keeps its change', () => {
      using world = new World()
      const original = world.environment('my', { variables: { DATA: 'x', OTHER: 'y' } })
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `${shell.prompt('(my) > ')}
        conda-stage stage ${both(original, staged)}
        ${set('PATH', '/mine:$PATH:$CONDA_PREFIX/more')}; ${set('DATA', 'of $CONDA_PREFIX')}
        ${shell.prompt('mine (my*) > ')}
        conda-stage unstage ${both(original, staged)}
        dump after`,
        { ...active(original), DATA: 'x' },
      )
      const after = world.dump('after')
      assert.deepEqual(
        { ...after.env, OTHER: after.env.OTHER },
        {
          ...after.env,
          PATH: `/mine:${original}/bin:/usr/bin:/bin:${original}/more`,
          DATA: `of ${original}`,
          OTHER: undefined,
        },
        run.stderr,
      )
      assert.ok(shell.showsPrompt(after, 'mine (my) > '))
    })

    test('a child shell that inherited the stage goes back to the same environment', () => {
      using world = new World()
      const original = world.environment('my', { variables: { DATA: 'x' } })
      const staged = world.stage(original)
      const child = `eval "$('${world.launcher.replaceAll("'", "'\\''")}' source bash)"
        conda-stage unstage ${EVERY_SHELL[0]!.quote(original)} ${EVERY_SHELL[0]!.quote(staged)}
        command env -0 > child.env`
      world.write('child', child)
      const run = world.run(
        shell,
        'none',
        `dump before
        conda-stage stage ${both(original, staged)}
        bash ./child`,
        active(original),
      )
      assert.equal(run.status, 0, run.stderr)
      const read = (name: string) =>
        readFileSync(join(world.root, `${name}.env`), 'utf8')
          .split('\0')
          .filter((line) => !/^(_|SHLVL|OLDPWD|PWD)=/.test(line))
          .sort()
      assert.deepEqual(read('child'), read('before'))
    })

    for (const conda of ['none', 'stand-in'] as const) {
      const why = conda === 'none' ? 'there is no conda function' : 'conda fails'
      test(`--activator=conda says so and leaves the original active if ${why}`, () => {
        using world = new World()
        const original = world.environment('my')
        const staged = world.stage(original)
        const run = world.run(
          shell,
          conda,
          `${shell.prompt('(my) > ')}
          ${isPosix ? 'set -u' : ''}
          ${conda === 'none' ? '' : 'conda activate my'}
          /bin/rm -r ${q(`${staged}/conda-meta`)}
          dump before
          ${or(`conda-stage stage ${both(original, staged)} conda`, `echo "status ${status}"`)}
          dump after`,
          conda === 'none' ? active(original) : {},
        )
        assert.equal(run.stdout, 'status 1\n', run.stderr)
        assert.match(
          run.stderr,
          conda === 'none'
            ? /^ERROR: no conda function\n$/
            : /EnvironmentLocationNotFound.*\n(?:.*\n)*ERROR: no conda function\n$/,
        )
        assertSame(world.dump('after'), world.dump('before'))
      })
    }

    test('the copy is removed last, and the status shows whether that worked', () => {
      using world = new World()
      const scripts = scriptsOf('activate.d/a', ({ say }) => say('activated'))
      const original = world.environment('my', { scripts })
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `conda-stage unstage ${both(original, staged)}; echo "$CONDA_PREFIX"
        ${or(`conda-stage unstage ${both(original, staged)}`, `echo "status ${status}"`)}`,
        active(staged),
      )
      assert.equal(run.stdout, `${original}\nstatus 1\n`)
      assert.match(run.stderr, /^activated\nINFO: removed\nactivated\n/)
      assert.equal(existsSync(staged), false)
    })

    test('own activation calls no conda', () => {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      writeFileSync(world.log, '')
      world.run(
        shell,
        'stand-in',
        `conda-stage stage ${both(original, staged)}; conda-stage unstage ${both(original, staged)}`,
        active(original),
      )
      assert.deepEqual(world.callsOfConda(), [])
    })

    test('the code of --source defines conda-stage, and its counterpart removes it, even twice', () => {
      using world = new World()
      // bash --posix defines an alias, which works from the next line on.
      world.write('hook', hook(dialect, world.launcher))
      world.write('unhook', unhook(dialect))
      const load = dialect === 'tcsh' ? 'eval "`cat hook`"' : 'eval "$(cat hook)"'
      const isGone = or('conda-stage data', 'echo gone').replace(
        'data',
        dialect === 'tcsh' ? 'data >& /dev/null' : 'data 2> /dev/null',
      )
      const dot = isPosix ? '.' : 'source'
      const run = world.run(
        shell,
        'none',
        `${dot} ./unhook
        ${isGone}
        ${load}
        conda-stage data
        ${dot} ./unhook
        ${dot} ./unhook
        ${isGone}`,
      )
      assert.equal(run.stdout, 'gone\ndata\ngone\n', run.stderr)
    })
  })
}
