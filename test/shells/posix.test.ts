import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { active } from './cases.ts'
import { assertSame, quoted as q, SHELLS, World } from './world.ts'

const SCRIPTS = {
  'activate.d/a.sh': 'export TOOL_HOME="$CONDA_PREFIX/tool" COUNT="$#"; : "$UNSET_ON_PURPOSE"; false; export END=yes\n',
  'activate.d/b.sh': 'if; then\n',
  'activate.d/c.sh': 'export LAST=yes\n',
  'deactivate.d/a.sh': ': "$UNSET_ON_PURPOSE"; false; unset TOOL_HOME COUNT END LAST\n',
}

for (const shell of SHELLS) {
  const option = (bash: string, zsh: string, sh: string) => ({ bash, zsh, sh })[shell.dialect]

  describe(shell.name, () => {
    test('a session with errexit, nounset, noglob, shadowed programs, an odd IFS and open descriptors is staged and unstaged, and keeps them', () => {
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

    for (const variable of ['DATA', 'PATH', 'CONDA_PREFIX', 'PS1'])
      test(`with a read-only ${variable}, the session stays in the original or in the copy, whole, and a message names the variable`, () => {
        using world = new World()
        const original = world.environment('my', { variables: { DATA: 'theirs' }, scripts: SCRIPTS })
        const staged = world.stage(original)
        const both = `${q(original)} ${q(staged)}`
        const run = world.run(
          shell,
          'none',
          `PS1='(my) $ '
          ( readonly ${variable}
          dump original; conda-stage stage ${both} || echo "status $?"; dump still-original )
          conda-stage stage ${both}
          ( readonly ${variable}
          dump copy; conda-stage unstage ${both} || echo "status $?"; dump still-copy )`,
          { ...active(original), DATA: 'mine' },
        )
        assert.equal(run.stdout, 'status 1\nstatus 1\n', run.stderr)
        const complaint = `ERROR: The variable ${variable} is read-only in this shell`
        assert.equal(run.stderr.split(complaint).length, 3, run.stderr)
        assertSame(world.dump('still-original'), world.dump('original'))
        assertSame(world.dump('still-copy'), world.dump('copy'))
        assert.equal(world.dump('original').env.CONDA_PREFIX, original)
        assert.equal(world.dump('copy').env.CONDA_PREFIX, staged)
      })

    test('a failure of conda-stage ends a script under errexit unless the script handles it', () => {
      using world = new World()
      const run = world.run(
        shell,
        'none',
        'set -e; conda-stage fail || echo handled; conda-stage fail; echo not reached',
      )
      assert.deepEqual([run.stdout, run.status], ['handled\n', 3])
    })

    test('without PS1 and conda, staging sets neither a prompt nor variables of conda', () => {
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
  })
}

test('bash: output of a DEBUG or ERR trap or of a trace is not mistaken for code', () => {
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
  test(`${shell.name}: an ERR trap runs as often for conda-stage as for any function that fails`, () => {
    using world = new World()
    const script = (call: string) => `plain() { return 3; }; : > errors; ${trap}; ${call}`
    const errors = (call: string) => {
      world.run(shell, 'none', script(call))
      return readFileSync(join(world.root, 'errors'), 'utf8')
    }
    assert.equal(errors('conda-stage fail'), errors('plain'))
  })
}

test('zsh: output of a DEBUG or ZERR trap is not mistaken for code', () => {
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
