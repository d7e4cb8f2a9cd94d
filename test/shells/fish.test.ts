import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { dialects } from '../../src/activate/dialects.ts'
import { hook, unhook } from '../../src/activate/hook.ts'
import { render } from '../../src/activate/render.ts'
import { active, NASTY_NAME, WAYS } from './cases.ts'
import { assertSame, CONDAS, FISH, World } from './world.ts'

const q = dialects.fish.quote

const SCRIPTS = {
  'activate.d/a.fish': 'set -gx TOOL_HOME "$CONDA_PREFIX/tool"; set -gx ORDER "$TOOL_HOME a" (count $argv)\n',
  'activate.d/b.fish': 'set -gx ORDER "$ORDER b"; false\n',
  'activate.d/b.sh': 'this is not for fish\n',
  'deactivate.d/a.fish': 'set -e TOOL_HOME; set -e ORDER; set -gx LEFT "$LEFT a"\n',
  'deactivate.d/b.fish': 'set -gx LEFT "$CONDA_PREFIX b"; false\n',
}

for (const conda of CONDAS) {
  describe(`fish, ${conda} conda`, () => {
    for (const [way, activate] of Object.entries(WAYS)) {
      test(`stage, unstage and conda deactivate agree with conda, ${way}`, () => {
        using world = new World()
        const original = world.environment('my', { variables: { DATA: 'x', CLOBBERED: 'y' }, scripts: SCRIPTS })
        const staged = world.stage(original)
        const kept = world.stage(original, 'local/kept')
        world.environment('other', { variables: { DATA: 'of other' } })
        const both = `${q(original)} ${q(staged)}`
        const again = activate.split('; ').at(-1)
        const clear = 'set -gx LEFT ""'
        const run = world.run(
          FISH,
          conda,
          `set -gx CLOBBERED before; ${clear}
          ${activate}
          dump before
          conda-stage stage ${both}; or exit 9
          dump staged
          conda-stage unstage ${both}; or exit 8
          ${clear}; dump after
          command cp -R ${q(dirname(kept))} ${q(dirname(staged))}
          conda-stage stage ${both} conda; or exit 7
          dump conda
          conda-stage unstage ${both} conda; or exit 6
          ${clear}; dump conda-after
          conda deactivate; ${again}; conda deactivate; ${clear}; dump plain
          ${again}; ${clear}
          command cp -R ${q(dirname(kept))} ${q(dirname(staged))}
          conda-stage stage ${both}; or exit 5
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
          ORDER: `${staged}/tool a 0 b`,
          LEFT: `${original} b a`,
        })
        assert.deepEqual(world.dump('left').env, world.dump('plain').env)
        assert.deepEqual(world.dump('conda').env, stage.env)
        assert.deepEqual(world.dump('conda-after').env, before.env)
      })
    }
  })
}

describe('fish', () => {
  test('an environment with any name and variables with any value are staged, and nothing of ours stays', () => {
    using world = new World(NASTY_NAME)
    const original = world.environment(NASTY_NAME, { variables: { DATA: NASTY_NAME } })
    const staged = world.stage(original)
    const both = `${q(original)} ${q(staged)}`
    const run = world.run(
      FISH,
      'none',
      `dump before
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
        LD_LIBRARY_PATH: '/nowhere/a:/nowhere/b',
      },
    )
    assert.equal(run.stdout, 'status 3\n', run.stderr)
    assertSame(world.dump('after'), world.dump('before'))
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
  })

  test('arguments, standard output and exit status pass through the function', () => {
    using world = new World()
    const run = world.run(
      FISH,
      'none',
      `conda-stage data > file
      conda-stage data | command tr d D
      echo "caught "(conda-stage data)
      conda-stage fail; or echo "status $status"
      conda-stage environment call ''
      CONDA_STAGE=false conda-stage data; and echo nothing done
      command mv ${q(world.checkout)} gone; conda-stage data 2> /dev/null; or echo "status $status"`,
      { LD_PRELOAD: '', LD_LIBRARY_PATH: '/nowhere/a:/nowhere/b' },
    )
    assert.equal(run.stdout, 'Data\ncaught data\nstatus 3\nnothing done\nstatus 1\n', run.stderr)
    assert.equal(readFileSync(join(world.root, 'file'), 'utf8'), 'data\n')
    const call = JSON.parse(readFileSync(join(world.root, 'call'), 'utf8'))
    assert.equal(call.shell.dialect, 'fish')
    assert.equal(call.env.LD_LIBRARY_PATH, '/nowhere/a:/nowhere/b')
    assert.equal(call.env.LD_PRELOAD, '')
    assert.deepEqual(
      Object.keys(call.env).filter((name) => name.startsWith('__CONDA_STAGE')),
      [],
    )
  })

  test('functions in the place of builtins, and universal variables, are passed by', () => {
    using world = new World()
    const original = world.environment('my', { variables: { DATA: 'x' }, scripts: SCRIPTS })
    const staged = world.stage(original)
    const both = `${q(original)} ${q(staged)}`
    const run = world.run(
      FISH,
      'none',
      `for name in source functions cd rm cat printf echo; function $name; builtin echo bad; end; end
      conda-stage stage ${both}; builtin echo "$CONDA_PREFIX $TOOL_HOME"
      conda-stage unstage ${both}; builtin echo "$CONDA_PREFIX"`,
      active(original),
    )
    assert.equal(run.stdout, `${staged} ${staged}/tool\n${original}\n`, run.stderr)
  })

  test('PATH keeps its order, and what deactivate.d and the session did to it', () => {
    using world = new World()
    const original = world.environment('my', {
      scripts: {
        'deactivate.d/a.fish': 'set -gx PATH $PATH[2..-1]\n',
        'activate.d/a.fish': 'set -gx PATH /added $PATH\n',
      },
    })
    const staged = world.stage(original)
    const path = (prefix: string) => `/added:/x y:${prefix}/bin:${original}2/bin:/usr/bin:/bin:${prefix}:${prefix}/a/b`
    const run = world.run(
      FISH,
      'none',
      `conda-stage stage ${q(original)} ${q(staged)}; echo "$PATH"
      set -gx PATH /mine $PATH
      conda-stage unstage ${q(original)} ${q(staged)}; echo "$PATH"`,
      { CONDA_PREFIX: original, PATH: path(original) },
    )
    assert.equal(run.stdout, `${path(staged)}\n${path(original).replace('/added:', '/added:/added:')}\n`, run.stderr)
  })

  test('a stage that conda can not activate, or no conda at all, leaves the original active', () => {
    for (const conda of ['stand-in', 'none'] as const) {
      using world = new World()
      const original = world.environment('my')
      const staged = world.stage(original)
      const run = world.run(
        FISH,
        conda,
        `if functions -q conda; conda activate my; end
        command rm -r ${q(`${staged}/conda-meta`)}
        dump before
        conda-stage stage ${q(original)} ${q(staged)} conda; or echo "status $status"
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
    const original = world.environment('my', { scripts: { 'activate.d/a.fish': 'echo activated >&2\n' } })
    const staged = world.stage(original)
    const run = world.run(
      FISH,
      'none',
      `conda-stage unstage ${q(original)} ${q(staged)}; echo "$CONDA_PREFIX"
      conda-stage unstage ${q(original)} ${q(staged)}; or echo "status $status"`,
      active(staged),
    )
    assert.equal(run.stdout, `${original}\nstatus 1\n`)
    assert.match(run.stderr, /^activated\nINFO: removed\nactivated\n/)
    assert.equal(existsSync(staged), false)
  })

  test('what is to run when the session ends runs then, once, unless it was taken back or its file is gone', () => {
    using world = new World()
    world.write('there', '')
    const step = (id: string, whileThere: string, pid: string) => ({ argv: [id], whileThere, pid: pid as never, id })
    const context = { flags: '', launcher: '/bin/echo' }
    const code = (op: 'atExit' | 'notAtExit', id: string, file = 'there', pid = '$fish_pid') =>
      render([{ op, ...step(id, join(world.root, file), pid) }], 'fish', context)
    const run = world.run(
      FISH,
      'none',
      `function f; ${code('atExit', 'one')}
      ${code('atExit', 'two', 'gone')}
      ${code('atExit', 'three')}
      ${code('atExit', 'four', 'there', '1')}
      ${code('notAtExit', 'three')}
      end
      f; echo end; exit 3`,
    )
    assert.deepEqual([run.stdout, run.stderr, run.status], ['end\none\n', '', 3])
  })

  test('conda-stage --source is loaded through a pipe or by eval, and taken away again', () => {
    using world = new World()
    world.write('hook', hook('fish', world.launcher))
    world.write('unhook', unhook('fish'))
    const run = world.run(
      FISH,
      'none',
      `source ./unhook; functions -q conda-stage; or echo gone
      eval "$(command cat hook)"; conda-stage data
      source ./unhook; source ./unhook; functions -q conda-stage; or echo gone`,
    )
    assert.equal(run.stdout, 'gone\ndata\ngone\n', run.stderr)
  })
})
