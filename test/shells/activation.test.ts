import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { assertSame, CONDAS, quoted as q, SHELLS, World } from './world.ts'

const SCRIPTS = {
  'activate.d/a.sh': 'export TOOL_HOME="$CONDA_PREFIX/tool"; export ORDER="$TOOL_HOME a"\n',
  'activate.d/b.sh': 'export ORDER="$ORDER b"; false\n',
  'deactivate.d/a.sh': 'unset TOOL_HOME; unset ORDER; export LEFT="$LEFT a"\n',
  'deactivate.d/b.sh': 'export LEFT="$CONDA_PREFIX b"; false\n',
}

/** How the environment `my` may have become active. */
const WAYS = {
  'nothing underneath': 'conda activate my',
  'base underneath': 'conda activate base; conda activate my',
  'another one underneath': 'conda activate other; conda activate my',
  'stacked on another one': 'conda activate other; conda activate --stack my',
}

for (const shell of SHELLS.filter(({ name }) => name !== 'bash --posix')) {
  for (const conda of CONDAS) {
    describe(`${shell.name}, ${conda} conda`, () => {
      for (const [way, activate] of Object.entries(WAYS)) {
        test(`stage, unstage and conda deactivate agree with conda, ${way}`, () => {
          using world = new World()
          const original = world.environment('my', { variables: { DATA: 'x', CLOBBERED: 'y' }, scripts: SCRIPTS })
          const staged = world.stage(original)
          const kept = world.stage(original, 'local/kept')
          world.environment('other', { variables: { DATA: 'of other' } })
          const both = `${q(original)} ${q(staged)}`
          const run = world.run(
            shell,
            conda,
            `PS1='$ '
            export CLOBBERED=before LEFT=
            ( ${activate}; conda deactivate; LEFT=; dump plain )
            ${activate}
            dump before
            conda-stage stage ${both}
            dump staged
            ( conda deactivate; LEFT=; dump left )
            conda-stage unstage ${both}
            LEFT= dump after
            command cp -R ${q(dirname(kept))} ${q(dirname(staged))}
            conda-stage stage ${both} conda
            dump conda
            conda-stage unstage ${both} conda
            LEFT= dump conda-after`,
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
          assertSame(world.dump('left'), world.dump('plain'))
          assert.deepEqual(world.dump('conda').env, stage.env)
          assert.deepEqual(world.dump('conda-after').env, before.env)
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
          `PS1='$ '; export LEFT=
          conda activate my
          dump before
          conda-stage stage ${q(original)} ${q(staged)}
          conda activate other
          dump over
          conda deactivate
          dump back
          conda-stage unstage ${q(original)} ${q(staged)}
          export LEFT=; export CONDA_PREFIX_1; unset CONDA_PREFIX_1 __CONDA_SHLVL_1_DATA
          dump after`,
        )
        assert.equal(run.status, 0, run.stderr)
        assert.equal(world.dump('over').env.CONDA_PREFIX_1, staged)
        assert.equal(world.dump('back').env.CONDA_PREFIX, staged)
        assertSame(world.dump('after'), world.dump('before'))
      })
    })
  }
}
