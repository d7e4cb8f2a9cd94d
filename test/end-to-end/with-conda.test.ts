/** `--with-conda` in each shell, with the program that ships. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EVERY_SHELL } from '../shells/cases.ts'
import { CondaSession } from './conda-session.ts'

for (const shell of EVERY_SHELL) {
  describe(shell.name, () => {
    test(`${shell.name}: conda runs from a copy of its installation, whatever it activates; after --unstage the session is as before`, () => {
      using session = new CondaSession(shell)
      const run = session.conda(`dump before
        with-conda
        dump staged
        conda activate other
        dump other
        conda deactivate
        conda activate base
        dump base
        conda deactivate
        conda-stage --quiet --unstage
        dump after
        conda activate other`)
      assert.equal(run.status, 0, run.stderr)
      const { env } = session.world.dump('staged')
      const copy = env._CONDA_ROOT!
      assert.ok(session.isCopyOfBase(copy), copy)
      assert.deepEqual(
        [env.CONDA_EXE, env._CONDA_EXE, env.CONDA_PYTHON_EXE],
        [`${copy}/bin/conda`, `${copy}/bin/conda`, `${copy}/bin/python`],
      )
      assert.ok(session.isCopy(env.CONDA_PREFIX), String(env.CONDA_PREFIX))
      assert.equal(env.PATH, `${env.CONDA_PREFIX}/bin:${copy}/condabin:/usr/bin:/bin`)
      assert.equal(session.world.dump('other').env.CONDA_PREFIX, `${session.base}/envs/other`)
      assert.equal(session.world.dump('other').env.CONDA_EXE, `${copy}/bin/conda`)
      assert.equal(session.world.dump('base').env.CONDA_PREFIX, session.base)
      assert.equal(session.world.dump('base').env.CONDA_DEFAULT_ENV, 'base')
      const { CONDA_PREFIX_1: _, ...after } = session.world.dump('after').env
      assert.deepEqual(after, session.world.dump('before').env)
      assert.deepEqual(session.calls(), [copy, copy, copy, copy, session.base])
      assert.deepEqual(session.stages(), [])
    })

    test(`${shell.name}: after conda deactivate conda goes on to run from the copy, until --unstage or the end of the shell`, async () => {
      using session = new CondaSession(shell)
      const run = session.conda(`with-conda
        conda deactivate
        dump left
        conda activate other
        conda deactivate
        conda-stage --quiet --unstage
        dump unstaged
        conda activate my
        with-conda
        conda deactivate`)
      assert.equal(run.status, 0, run.stderr)
      const { env } = session.world.dump('left')
      const copy = env._CONDA_ROOT!
      assert.ok(session.isCopyOfBase(copy), copy)
      assert.deepEqual(session.calls(), [copy, copy, copy, session.base, copy])
      assert.equal(session.world.dump('unstaged').env.CONDA_EXE, `${session.base}/bin/conda`)
      assert.equal(session.world.dump('unstaged').env.PATH, `${session.base}/condabin:/usr/bin:/bin`)
      await session.gone()
    })
  })
}
