/**
 * The whole way in each shell, with the program that ships: activate by conda (the stand-in, and a real one if
 * CONDA_STAGE_TEST_CONDA names it), stage, work, unstage.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { installEnvironment } from '../fixtures/environment.ts'
import { assertSame, CONDAS, quoted as q, SHELLS, type Shell, World } from '../shells/world.ts'

const LAUNCHER = join(import.meta.dirname, '../../bin/conda-stage')

/** A session with an environment `my` that can be activated by name, and an empty local folder. */
async function session(name?: string, byHand = true) {
  const world = new World(name)
  const prefix = join(world.conda, 'envs/my')
  await installEnvironment(prefix, { byHand, variables: { DATA_HOME: `${prefix}/share` } })
  world.environment('other')
  const local = join(world.root, 'local')
  world.write('local/.keep', '')
  return { world, prefix, local, stages: () => readdirSync(local).filter((entry) => entry !== '.keep') }
}

const hook = (shell: Shell): string => `eval "$(${q(LAUNCHER)} --source=${shell.dialect})"`

for (const shell of SHELLS) {
  for (const conda of CONDAS) {
    for (const activator of ['own', 'conda'] as const) {
      describe(`${shell.name}, ${conda} conda, activator ${activator}`, () => {
        test('a program runs from the copy, and after --unstage the session is as before', async () => {
          const { world, prefix, local, stages } = await session()
          using _ = world
          const run = world.runWith(
            hook(shell),
            shell,
            conda,
            `PS1='$ '
            conda activate my
            dump before
            conda-stage --path=${q(local)} --activator=${activator}
            dump staged
            command -v greet
            greet
            conda-stage --verify > verified 2>&1
            conda-stage --unstage --activator=${activator}
            dump after
            command -v greet`,
            { PS1: '$ ' },
          )
          assert.equal(run.status, 0, run.stderr)
          const staged = world.dump('staged')
          const copy = staged.env.CONDA_PREFIX!
          assert.ok(copy.startsWith(`${local}/conda-stage_`) && copy.endsWith('/my'), copy)
          assert.equal(staged.env.CONDA_PROMPT_MODIFIER, '(my*) ')
          assert.equal(staged.env.DATA_HOME, `${copy}/share`)
          assert.equal(staged.env.CONDA_STAGE_STAGED, 'true')
          assert.deepEqual(run.stdout.split('\n'), [
            `${copy}/bin/greet`,
            'Hello from the environment',
            `${prefix}/bin/greet`,
            '',
          ])
          assertSame(world.dump('after'), world.dump('before'))
          assert.deepEqual(stages(), [])
          assert.ok(existsSync(`${prefix}/bin/greet`))
        })

        if (activator === 'conda') return
        test('one conda deactivate leaves the copy as it would have left the original, with another environment underneath', async () => {
          const { world, local } = await session()
          using _ = world
          const run = world.runWith(
            hook(shell),
            shell,
            conda,
            `( conda activate other; conda activate my; conda deactivate; dump as-from-original )
            conda activate other
            conda activate my
            conda-stage --quiet --path=${q(local)}
            conda deactivate
            dump left`,
          )
          assert.equal(run.status, 0, run.stderr)
          assert.deepEqual(world.dump('left').env, world.dump('as-from-original').env)
        })
      })
    }
  }

  describe(shell.name, () => {
    test('a job script under errexit, nounset and pipefail stages, works and unstages', async () => {
      const { world, prefix, local, stages } = await session()
      using _ = world
      const pipefail = shell.name === 'dash' ? '' : 'set -o pipefail'
      const run = world.runWith(
        hook(shell),
        shell,
        'stand-in',
        `conda activate my
        set -eu; ${pipefail}
        conda-stage --path=${q(local)}
        mv ${q(prefix)} ${q(`${prefix}.away`)}
        greet
        mv ${q(`${prefix}.away`)} ${q(prefix)}
        conda-stage --unstage
        case $- in *e*) echo still errexit ;; esac
        case $- in *u*) echo still nounset ;; esac`,
      )
      assert.equal(run.status, 0, run.stderr)
      assert.equal(run.stdout, 'Hello from the environment\nstill errexit\nstill nounset\n')
      assert.deepEqual(stages(), [])
    })

    test('if staging fails, the original stays active, the status is 1 and nothing half made is left', async () => {
      const { world, local, stages } = await session()
      using _ = world
      const run = world.runWith(
        hook(shell),
        shell,
        'stand-in',
        `conda activate my
        conda-stage --quiet --pack
        chmod 666 conda/envs/my.tar.zst
        dump before
        conda-stage --path=${q(local)} || echo "status $?"
        dump after
        conda-stage --bad-option || echo "status $?"`,
      )
      assert.equal(run.stdout, 'status 1\nstatus 2\n', run.stderr)
      assert.match(run.stderr, /ERROR: .*my\.tar\.zst/)
      assert.match(run.stderr, /chmod go-w|--output=FILE|owner/)
      assertSame(world.dump('after'), world.dump('before'))
      assert.deepEqual(stages(), [])
    })

    test('unstaging what lies beneath another environment, or is not staged, is an error that says so', async () => {
      const { world, local, stages } = await session()
      using _ = world
      const run = world.runWith(
        hook(shell),
        shell,
        'stand-in',
        `conda activate my
        conda-stage --unstage || echo "status $?"
        conda-stage --quiet --path=${q(local)}
        conda activate other
        conda-stage --unstage || echo "status $?"
        conda deactivate
        conda-stage --quiet --unstage`,
      )
      assert.equal(run.stdout, 'status 1\nstatus 1\n', run.stderr)
      assert.match(run.stderr, /is not a staged copy[\s\S]*another environment was activated after it/)
      assert.deepEqual(stages(), [])
    })
  })
}

test('an environment in a folder with a quote, a dollar sign, a newline and UTF-8 in its name is staged and unstaged', async () => {
  for (const shell of SHELLS) {
    const { world, prefix, local, stages } = await session(`a'b "c" $d\n\u00e9`, false)
    using _ = world
    const run = world.runWith(
      hook(shell),
      shell,
      // conda itself can't activate an environment there.
      'none',
      `export CONDA_PREFIX=${q(prefix)} CONDA_DEFAULT_ENV=my PATH=${q(`${prefix}/bin`)}:"$PATH"
      for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do . "$script"; done
      unset script
      dump before
      conda-stage --path=${q(local)}
      greet
      conda-stage --unstage
      dump after`,
    )
    assert.equal(run.status, 0, `${shell.name}: ${run.stderr}`)
    assert.equal(run.stdout, 'Hello from the environment\n', `${shell.name}: ${run.stderr}`)
    assertSame(world.dump('after'), world.dump('before'))
    assert.deepEqual(stages(), [])
  }
})

test('the copy works with the original gone, and --unstage keeps it until the original is back', async () => {
  const { world, prefix, local, stages } = await session()
  using _ = world
  const [bash] = SHELLS
  const run = world.runWith(
    hook(bash!),
    bash!,
    'stand-in',
    `conda activate my
    conda-stage --quiet --path=${q(local)}
    mv ${q(prefix)} ${q(`${prefix}.gone`)}
    conda-stage --unstage || echo "status $?"
    greet
    mv ${q(`${prefix}.gone`)} ${q(prefix)}
    conda-stage --quiet --unstage
    echo "$CONDA_PREFIX"`,
  )
  assert.equal(run.stdout, `status 1\nHello from the environment\n${prefix}\n`, run.stderr)
  assert.deepEqual(stages(), [])
})
