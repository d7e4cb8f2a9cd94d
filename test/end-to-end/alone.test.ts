/** Sessions in every shell that stage an archive whose environment is gone. */
import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { EVERY_SHELL, scriptsOf, type TestShell } from '../shells/cases.ts'
import { assertSame, CONDAS } from '../shells/world.ts'
import { Session } from './manual-session.ts'

const MARKS = {
  ...scriptsOf('activate.d/mark', ({ addToPath }) => addToPath('/mark')),
  ...scriptsOf('deactivate.d/mark', ({ dropFirstOfPath }) => dropFirstOfPath),
}

/** Only the archive of `my` is left, in a folder elsewhere. */
function alone(shell: TestShell): { session: Session; archive: string; stage: string } {
  const session = new Session(shell, { variables: { DATA: 'of my' }, scripts: MARKS })
  const archive = join(session.world.root, 'shared.tar.zst')
  const packed = session.call(['--pack', `--prefix=${session.prefix}`, `--output=${archive}`])
  assert.equal(packed.status, 0, packed.stderr)
  rmSync(session.prefix, { recursive: true })
  const q = shell.quote
  return { session, archive, stage: `conda-stage --quiet --path=${q(session.local)} --archive=${q(archive)}` }
}

for (const shell of EVERY_SHELL) {
  test(`${shell.name}: an archive is staged where its environment is gone and no conda is, and --unstage leaves nothing behind`, () => {
    const { session, stage } = alone(shell)
    using _ = session
    const run = session.script(
      `${shell.set('DATA', 'mine')}; ${shell.prompt('> ')}
      dump before
      ${shell.or(stage, 'exit 9')}
      dump staged
      tool
      ${shell.or('conda-stage --verify --quiet', 'exit 8')}
      ${shell.or('conda-stage --unstage', 'exit 7')}
      dump after`,
      {},
    )
    assert.equal(run.status, 0, run.stderr)
    const { env, rest } = session.world.dump('staged')
    const copy = env.CONDA_PREFIX!
    assert.ok(session.isCopy(copy), copy)
    assert.equal(run.stdout, `${copy}/bin/tool\n`)
    assert.deepEqual(
      [env.CONDA_SHLVL, env.CONDA_PROMPT_MODIFIER, env.DATA, env.PATH],
      ['1', '(my*) ', 'of my', `/mark:${copy}/bin:/usr/bin:/bin`],
    )
    assert.ok(shell.showsPrompt({ env, rest }, '(my*) > '))
    assertSame(session.world.dump('after'), session.world.dump('before'))
    assert.deepEqual(session.stages(), [])
    assert.match(run.stderr, /INFO: No environment is active\n/)
  })

  for (const conda of CONDAS) {
    test(`${shell.name}, ${conda} conda: a copy of an archive goes on top of the active environment, as conda would put it there, and conda deactivate comes back`, () => {
      const { session, stage } = alone(shell)
      using _ = session
      const kept = `${stage} --keep`
      const run = session.script(
        `${shell.prompt('> ')}
        conda activate other
        dump before
        ${shell.or(kept, 'exit 9')}
        dump staged
        ${shell.or('conda-stage --unstage', 'exit 8')}
        dump after
        ${shell.or(`${kept} --activator=conda`, 'exit 7')}
        dump conda
        ${shell.or('conda-stage --unstage --activator=conda', 'exit 6')}
        dump conda-after
        ${shell.or(stage, 'exit 5')}
        conda deactivate
        dump left`,
        {},
        conda,
      )
      assert.equal(run.status, 0, run.stderr)
      const [before, staged] = [session.world.dump('before'), session.world.dump('staged')]
      assert.ok(session.isCopy(staged.env.CONDA_PREFIX))
      assert.deepEqual(
        [staged.env.CONDA_SHLVL, staged.env.CONDA_PREFIX_1, staged.env.CONDA_PROMPT_MODIFIER],
        ['2', before.env.CONDA_PREFIX, '(my*) '],
      )
      assertSame(session.world.dump('after'), before)
      assert.deepEqual(session.world.dump('conda').env, staged.env)
      // conda itself leaves variables behind, empty.
      const ofConda = ({ CONDA_PREFIX, CONDA_SHLVL, PATH, CONDA_PROMPT_MODIFIER }: Record<string, string>) => [
        CONDA_PREFIX,
        CONDA_SHLVL,
        PATH,
        CONDA_PROMPT_MODIFIER,
      ]
      for (const name of ['conda-after', 'left'])
        assert.deepEqual(ofConda(session.world.dump(name).env), ofConda(before.env), name)
      assert.deepEqual(session.stages(), [], 'the last one to leave has removed it')
    })
  }
}

test('an archive whose environment is there after all and active is staged in its place, and --unstage goes back to it', () => {
  const { session, stage, archive } = alone(EVERY_SHELL[0]!)
  using _ = session
  renameSync(archive, `${archive}.away`)
  session.world.environment('my', { variables: { DATA: 'of my' } })
  renameSync(`${archive}.away`, archive)
  const run = session.script(
    `conda activate my; dump before; ${stage} || exit; dump staged; conda-stage --unstage; dump after`,
    {},
    'stand-in',
  )
  assert.equal(run.status, 0, run.stderr)
  assert.equal(session.world.dump('staged').env.CONDA_SHLVL, '1')
  assert.ok(session.isCopy(session.world.dump('staged').env.CONDA_PREFIX))
  assert.equal(session.world.dump('after').env.CONDA_PREFIX, session.prefix)
})

test('two sessions share the copy of an archive, and the last one to end removes it', async () => {
  const { session, stage } = alone(EVERY_SHELL[0]!)
  using _ = session
  const run = session.script(
    `${stage}; tool; bash --norc -c 'eval "$(${LAUNCHER} --source=bash)"; ${stage}; tool'; tool`,
    {},
  )
  const [first, second, third] = run.stdout.trim().split('\n')
  assert.ok(session.isCopy(first, '/bin/tool'), run.stderr)
  assert.deepEqual([second, third], [first, first])
  await session.gone()
})
