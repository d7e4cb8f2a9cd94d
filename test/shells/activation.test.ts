import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { EVERY_SHELL, WAYS } from './cases.ts'
import { assertSame, CONDAS, World } from './world.ts'

/** Each shell runs those of its own kind only. One of each kind fails. */
const SCRIPTS = {
  'activate.d/a.sh': 'export TOOL_HOME="$CONDA_PREFIX/tool"; export ORDER="$TOOL_HOME a"\n',
  'activate.d/b.sh': 'export ORDER="$ORDER b"; false\n',
  'deactivate.d/a.sh': 'unset TOOL_HOME; unset ORDER; export LEFT="$LEFT a"\n',
  'deactivate.d/b.sh': 'export LEFT="$CONDA_PREFIX b"; false\n',
  'activate.d/a.fish':
    'set -gx TOOL_HOME "$CONDA_PREFIX/tool"; set -gx ORDER "$TOOL_HOME a"; set -gx COUNT (count $argv)\n',
  'activate.d/b.fish': 'set -gx ORDER "$ORDER b"; false\n',
  'deactivate.d/a.fish': 'set -e TOOL_HOME; set -e ORDER; set -gx LEFT "$LEFT a"\n',
  'deactivate.d/b.fish': 'set -gx LEFT "$CONDA_PREFIX b"; false\n',
  'activate.d/a.csh': 'setenv TOOL_HOME "$CONDA_PREFIX/tool"\nsetenv ORDER "$TOOL_HOME a"\n',
  'activate.d/b.csh': 'setenv ORDER "$ORDER b"\nexit 3\nsetenv ORDER no\n',
  'deactivate.d/a.csh': 'unsetenv TOOL_HOME ORDER\nsetenv LEFT "$LEFT a"\n',
  'deactivate.d/b.csh': 'setenv LEFT "$CONDA_PREFIX b"\n( exit 4 )\n',
}

for (const shell of EVERY_SHELL.filter(({ name }) => name !== 'bash --posix')) {
  const { quote: q } = shell
  const clear = shell.set('LEFT', '')
  for (const conda of CONDAS) {
    describe(`${shell.name}, ${conda} conda`, () => {
      for (const [way, activate] of Object.entries(WAYS)) {
        test(`stage, unstage and conda deactivate leave the session as conda would, ${way}`, () => {
          // conda's alias in csh splits what follows --stack at blanks.
          using world = new World(way.startsWith('stacked') ? 'ab' : 'a b')
          const original = world.environment('my', { variables: { DATA: 'x', CLOBBERED: 'y' }, scripts: SCRIPTS })
          const staged = world.stage(original)
          const kept = world.stage(original, 'local/kept')
          world.environment('other', { variables: { DATA: 'of other' } })
          const both = `${q(original)} ${q(staged)}`
          const again = activate.split('; ').at(-1)
          const renew = `/bin/cp -R ${q(dirname(kept))} ${q(dirname(staged))}`
          const run = world.run(
            shell,
            conda,
            `${shell.prompt('> ')}
            ${shell.set('CLOBBERED', 'before')}; ${clear}
            ${activate}
            dump before
            ${shell.or(`conda-stage stage ${both}`, 'exit 9')}
            dump staged
            ${shell.or(`conda-stage unstage ${both}`, 'exit 8')}
            ${clear}; dump after
            ${renew}
            ${shell.or(`conda-stage stage ${both} conda`, 'exit 7')}
            dump conda
            ${shell.or(`conda-stage unstage ${both} conda`, 'exit 6')}
            ${clear}; dump conda-after
            conda deactivate; ${again}; conda deactivate; ${clear}; dump plain
            ${again}; ${clear}
            ${renew}
            ${shell.or(`conda-stage stage ${both}`, 'exit 5')}
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
            ...(shell.dialect === 'fish' && { COUNT: '0' }),
          })
          assert.ok(
            shell.showsPrompt(stage, '(my*) > '),
            stage.rest.filter((line) => /PS1|prompt/.test(line)).join('\n'),
          )
          assertSame(world.dump('left'), world.dump('plain'))
          assert.deepEqual(world.dump('conda').env, stage.env)
          assertSame(world.dump('conda-after'), before)
        })
      }

      test('conda activates another environment over the stage and comes back to it', () => {
        using world = new World()
        const original = world.environment('my', { variables: { DATA: 'x' }, scripts: SCRIPTS })
        const staged = world.stage(original)
        world.environment('other', { variables: { DATA: 'of other' } })
        const run = world.run(
          shell,
          conda,
          `${shell.prompt('> ')}
          ${clear}
          conda activate my
          dump before
          conda-stage stage ${q(original)} ${q(staged)}
          conda activate other
          dump over
          conda deactivate
          dump back
          conda-stage unstage ${q(original)} ${q(staged)}
          ${clear}; dump after`,
        )
        assert.equal(run.status, 0, run.stderr)
        assert.equal(world.dump('over').env.CONDA_PREFIX_1, staged)
        assert.equal(world.dump('back').env.CONDA_PREFIX, staged)
        // conda itself leaves these behind, empty.
        const { CONDA_PREFIX_1, __CONDA_SHLVL_1_DATA, ...after } = world.dump('after').env
        assert.deepEqual(after, world.dump('before').env)
      })
    })
  }
}
