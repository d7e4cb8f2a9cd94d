import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { assertSame, quoted as q, SHELLS, World } from './world.ts'

const SCRIPTS = {
  'activate.d/a.sh': 'export TOOL_HOME="$CONDA_PREFIX/tool" COUNT="$#"; : "$UNSET_ON_PURPOSE"; false; export END=yes\n',
  'activate.d/b.sh': 'if; then\n',
  'activate.d/c.sh': 'export LAST=yes\n',
  'deactivate.d/a.sh': ': "$UNSET_ON_PURPOSE"; false; unset TOOL_HOME COUNT END LAST\n',
}

/** As conda, or something like it, would leave a session in which the environment is active. */
const active = (prefix: string, path = '/usr/bin:/bin') => ({
  CONDA_PREFIX: prefix,
  CONDA_SHLVL: '1',
  CONDA_DEFAULT_ENV: 'my',
  CONDA_PROMPT_MODIFIER: '(my) ',
  PATH: `${prefix}/bin:${path}`,
})

for (const shell of SHELLS) {
  const option = (bash: string, zsh: string, sh: string) => ({ bash, zsh, sh })[shell.dialect]

  describe(shell.name, () => {
    test('a session with unusual settings is staged and unstaged like any other', () => {
      using world = new World()
      const original = world.environment('my', { scripts: SCRIPTS })
      const staged = world.stage(original)
      // Loaded before: the settings are of the session that calls.
      const run = world.run(
        shell,
        'none',
        `PS1='$ '
        set -euCf
        ${option('set -o pipefail; set -T -E', 'setopt pipe_fail sh_word_split ksh_arrays null_glob err_return rc_quotes', ':')}
        cd() { echo bad cd; }; rm() { echo bad rm; }; cat() { echo bad cat; }; test() { echo bad test; }
        alias env='echo bad alias' hash='echo bad alias'
        IFS=eo09; CDPATH=/tmp
        exec 3> three 4> four 8> eight 9> nine
        command env -0 > before.env
        conda-stage stage ${q(original)} ${q(staged)}
        command env -0 > staged.env
        echo "$-" > flags
        conda-stage unstage ${q(original)} ${q(staged)}
        command env -0 > after.env
        echo to three >&3; echo to four >&4; echo to eight >&8; echo to nine >&9
        echo "[$IFS]"`,
        { ...active(original), TOOL_HOME: `${original}/tool`, COUNT: '0', END: 'yes', LAST: 'yes' },
      )
      assert.equal(run.status, 0, run.stderr)
      assert.equal(run.stdout, '[eo09]\n')
      const read = (name: string) => readFileSync(join(world.root, name), 'utf8')
      for (const name of ['three', 'four', 'eight', 'nine']) assert.equal(read(name), `to ${name}\n`)
      assert.match(read('flags'), /e.*u|u.*e/)
      const stage = read('staged.env').split('\0')
      for (const line of [`CONDA_PREFIX=${staged}`, `TOOL_HOME=${staged}/tool`, 'COUNT=0', 'END=yes', 'LAST=yes']) {
        assert.ok(stage.includes(line), line)
      }
      const sorted = (name: string) =>
        read(name)
          .split('\0')
          .filter((line) => !line.startsWith('_='))
          .sort()
      assert.deepEqual(sorted('after.env'), sorted('before.env'))
    })

    test('nothing of ours stays in the session, also after a failure', () => {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `PS1='$ '
        dump before
        conda-stage stage ${q(original)} ${q(staged)}
        conda-stage unstage ${q(original)} ${q(staged)}
        conda-stage fail || STATUS=$?
        echo "status $STATUS"; unset STATUS
        dump after`,
        active(original),
      )
      assert.equal(run.stdout, 'status 3\n', run.stderr)
      assertSame(world.dump('after'), world.dump('before'))
    })

    test('data goes to standard output, which may be a file, a pipe or closed', () => {
      using world = new World()
      const run = world.run(
        shell,
        'none',
        `conda-stage data > file
        conda-stage data | command tr d D
        echo "caught $(conda-stage data)"
        conda-stage data >&-
        conda-stage fail >&- || echo "status $?"`,
      )
      assert.equal(run.stdout, 'Data\ncaught data\nstatus 3\n')
      assert.equal(readFileSync(join(world.root, 'file'), 'utf8'), 'data\n')
      assert.equal(run.stderr, 'ERROR: failed\n')
    })

    test('a failure ends a script under errexit, and not one that handles it', () => {
      using world = new World()
      const run = world.run(
        shell,
        'none',
        'set -e; conda-stage fail || echo handled; conda-stage fail; echo not reached',
      )
      assert.deepEqual([run.stdout, run.status], ['handled\n', 3])
    })

    test('CONDA_STAGE=false does nothing and succeeds', () => {
      using world = new World()
      const run = world.run(shell, 'none', 'set -u; CONDA_STAGE=false conda-stage data; echo "status $?"')
      assert.deepEqual([run.stdout, run.stderr], ['status 0\n', ''])
    })

    test('a launcher that is gone is a failure that leaves the session alone', () => {
      using world = new World()
      const run = world.run(shell, 'none', `command mv ${q(world.checkout)} gone; conda-stage data || echo "status $?"`)
      assert.equal(run.stdout, 'status 1\n')
    })

    test('a prompt that is not set stays so, and conda that is not there is not invented', () => {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `unset PS1
        dump before
        conda-stage stage ${q(original)} ${q(staged)}
        dump staged; echo "PS1: \${PS1-unset}"
        conda-stage unstage ${q(original)} ${q(staged)}
        dump after`,
        { CONDA_PREFIX: original, PATH: `${original}/bin:/usr/bin:/bin` },
      )
      assert.equal(run.stdout, 'PS1: unset\n', run.stderr)
      const before = world.dump('before')
      assertSame(world.dump('after'), before)
      const PATH = `${staged}/bin:/usr/bin:/bin`
      assert.deepEqual(world.dump('staged').env, { ...before.env, CONDA_PREFIX: staged, PATH })
    })

    test('PATH keeps its order, empty entries and what deactivate.d did to it', () => {
      using world = new World()
      const original = world.environment('my', {
        scripts: {
          'deactivate.d/a.sh': `PATH="\${PATH#/added:}"\n`,
          'activate.d/a.sh': 'PATH="/added:$PATH"\n',
        },
      })
      const staged = world.stage(original)
      const path = (prefix: string) => `/added:/x y::${prefix}/bin:${prefix}2/bin:/usr/bin:/bin:${prefix}:`
      const run = world.run(
        shell,
        'none',
        `conda-stage stage ${q(original)} ${q(staged)}; echo "$PATH"
        conda-stage unstage ${q(original)} ${q(staged)}; echo "$PATH"`,
        { CONDA_PREFIX: original, PATH: path(original) },
      )
      assert.equal(run.stdout, `${path(staged).replace(`${staged}2`, `${original}2`)}\n${path(original)}\n`, run.stderr)
    })

    test('an environment with any name and variables with any value are staged', () => {
      const nasty = `-it's "$HOME" \`x\` \\ é*[a]\n!`
      using world = new World(nasty)
      const original = world.environment(nasty, { variables: { DATA: nasty } })
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `PS1=${q(`(${nasty}) $ `)}
        dump before
        conda-stage stage ${q(original)} ${q(staged)}
        dump staged
        printf %s "$PS1" > prompt
        conda-stage unstage ${q(original)} ${q(staged)}
        dump after`,
        { ...active(original), CONDA_DEFAULT_ENV: nasty, CONDA_PROMPT_MODIFIER: `(${nasty}) `, DATA: 'mine' },
      )
      assert.equal(run.status, 0, run.stderr)
      assertSame(world.dump('after'), world.dump('before'))
      const { CONDA_PREFIX, PATH, DATA } = world.dump('staged').env
      assert.deepEqual(
        { CONDA_PREFIX, PATH, DATA },
        { CONDA_PREFIX: staged, PATH: `${staged}/bin:/usr/bin:/bin`, DATA: nasty },
      )
      assert.equal(readFileSync(join(world.root, 'prompt'), 'utf8'), `(${nasty}*) $ `)
    })

    test('what the session changed while staged keeps its change', () => {
      using world = new World()
      const original = world.environment('my', { variables: { DATA: 'x', OTHER: 'y' } })
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `PS1='(my) $ '
        conda-stage stage ${q(original)} ${q(staged)}
        PATH="/mine:$PATH:$CONDA_PREFIX/more"; DATA="of $CONDA_PREFIX"; PS1="mine $PS1"
        conda-stage unstage ${q(original)} ${q(staged)}
        echo "$PATH"; echo "$DATA"; echo "\${OTHER-unset}"; echo "$PS1"`,
        { ...active(original), DATA: 'x' },
      )
      const expected = [
        `/mine:${original}/bin:/usr/bin:/bin:${original}/more`,
        `of ${original}`,
        'unset',
        'mine (my) $ ',
      ]
      assert.deepEqual(run.stdout.split('\n').slice(0, -1), expected, run.stderr)
    })

    test('another shell that inherited the state goes back to the same environment', () => {
      using world = new World()
      const original = world.environment('my', { variables: { DATA: 'x' } })
      const staged = world.stage(original)
      const inner = `eval "$(${q(world.launcher)} source bash)"; conda-stage unstage ${q(original)} ${q(staged)}; command env -0 > after.env`
      world.write('inner', inner)
      const run = world.run(
        shell,
        'none',
        `command env -0 > before.env
        conda-stage stage ${q(original)} ${q(staged)}
        bash ./inner`,
        active(original),
      )
      assert.equal(run.status, 0, run.stderr)
      const read = (name: string) =>
        readFileSync(join(world.root, name), 'utf8')
          .split('\0')
          .filter((line) => !/^(_|SHLVL)=/.test(line))
          .sort()
      assert.deepEqual(read('after.env'), read('before.env'))
    })

    test('--activator=conda without a conda function says so and leaves the original active', () => {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `PS1='(my) $ '
        set -u
        dump before
        conda-stage stage ${q(original)} ${q(staged)} conda || echo "status $?"
        dump after`,
        active(original),
      )
      assert.deepEqual([run.stdout, run.stderr], ['status 1\n', 'ERROR: no conda function\n'])
      assertSame(world.dump('after'), world.dump('before'))
    })

    test('a stage that conda can not activate leaves the original active', () => {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'stand-in',
        `PS1='$ '
        conda activate my
        command rm -r ${q(`${staged}/conda-meta`)}
        dump before
        conda-stage stage ${q(original)} ${q(staged)} conda || echo "status $?"
        dump after`,
      )
      assert.equal(run.stdout, 'status 1\n')
      assert.match(run.stderr, /EnvironmentLocationNotFound.*\nERROR: no conda function\n$/)
      assertSame(world.dump('after'), world.dump('before'))
    })

    test('removal comes last, and its failure is the status', () => {
      using world = new World()
      const original = world.environment('my', { scripts: { 'activate.d/a.sh': 'echo activated >&2\n' } })
      const staged = world.stage(original)
      const run = world.run(
        shell,
        'none',
        `conda-stage unstage ${q(original)} ${q(staged)}; echo "$CONDA_PREFIX"
        conda-stage unstage ${q(original)} ${q(staged)} || echo "status $?"`,
        active(staged),
      )
      assert.equal(run.stdout, `${original}\nstatus 1\n`)
      assert.match(run.stderr, /^activated\nINFO: removed\nactivated\n/)
      assert.equal(existsSync(staged), false)
    })
  })
}

for (const shell of SHELLS.filter(({ name }) => name === 'bash' || name === 'zsh')) {
  test(`${shell.name}: functions in the place of special builtins are passed by`, () => {
    using world = new World()
    const original = world.environment('my', { variables: { DATA: 'x' } })
    const staged = world.stage(original)
    const run = world.run(
      shell,
      'none',
      `for name in set return unset export hash rehash typeset alias : eval; do eval "$name() { echo bad; }"; done
      conda-stage stage ${q(original)} ${q(staged)}
      echo "$CONDA_PREFIX"
      conda-stage unstage ${q(original)} ${q(staged)}`,
      active(original),
    )
    assert.equal(run.stdout, `${staged}\n`, run.stderr)
  })
}

test('own activation calls no conda', () => {
  for (const shell of SHELLS) {
    using world = new World()
    const original = world.environment('my')
    const staged = world.stage(original)
    writeFileSync(world.log, '')
    const both = `${q(original)} ${q(staged)}`
    world.run(shell, 'stand-in', `conda-stage stage ${both}; conda-stage unstage ${both}`, active(original))
    assert.deepEqual(world.callsOfConda(), [])
  }
})

test('bash: a DEBUG or ERR trap, or a trace, that prints into our pipe is not taken for code', () => {
  using world = new World()
  const original = world.environment('my')
  const staged = world.stage(original)
  const run = world.run(
    SHELLS[0]!,
    'none',
    `exec 8> trace; BASH_XTRACEFD=8
    set -TEx
    trap 'echo "trap; exit 77"' DEBUG ERR
    conda-stage stage ${q(original)} ${q(staged)} > out
    trap - DEBUG ERR; set +x
    echo "$CONDA_PREFIX"`,
    active(original),
  )
  assert.equal(run.stdout.trimEnd().split('\n').at(-1), staged, run.stderr)
})

for (const [shell, trap] of [
  [SHELLS[0]!, 'set -E; trap "echo failed >> errors" ERR'],
  [SHELLS[2]!, 'trap "echo failed >> errors" ZERR'],
] as const) {
  test(`${shell.name}: an ERR trap runs as often as for any function that fails`, () => {
    using world = new World()
    const script = (call: string) => `plain() { return 3; }; : > errors; ${trap}; ${call}`
    const errors = (call: string) => {
      world.run(shell, 'none', script(call))
      return readFileSync(join(world.root, 'errors'), 'utf8')
    }
    assert.equal(errors('conda-stage fail'), errors('plain'))
  })
}

test('zsh: a DEBUG or ZERR trap that prints into our pipe is not taken for code', () => {
  using world = new World()
  const original = world.environment('my')
  const staged = world.stage(original)
  const run = world.run(
    SHELLS[2]!,
    'none',
    `trap 'echo "trap; exit 77; if"' DEBUG ZERR
    conda-stage stage ${q(original)} ${q(staged)} > out
    trap - DEBUG ZERR
    echo "$CONDA_PREFIX"`,
    active(original),
  )
  assert.equal(run.stdout.trimEnd().split('\n').at(-1), staged, run.stderr)
})

test('what the loader and Node are kept from reaches the program by another way', () => {
  using world = new World()
  const held = {
    LD_LIBRARY_PATH: '/nowhere',
    NODE_OPTIONS: '--no-such-option',
    NODE_PATH: '/x',
    UV_THREADPOOL_SIZE: '3',
  }
  const run = world.run(SHELLS[0]!, 'none', `conda-stage environment call.json`, { ...held, PYTHONHOME: '/nowhere' })
  assert.equal(run.status, 0, run.stderr)
  const { env } = JSON.parse(readFileSync(join(world.root, 'call.json'), 'utf8'))
  for (const [name, value] of Object.entries(held)) assert.equal(env[name], value, name)
  assert.deepEqual(
    Object.keys(env).filter((name) => name.startsWith('__CONDA_STAGE')),
    [],
  )
})
