/** The whole way in fish and tcsh, with the program that ships. --source finds out by itself which shell it is. */
import assert from 'node:assert/strict'
import { readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dialects } from '../../src/activate/dialects.ts'
import { installEnvironment } from '../fixtures/environment.ts'
import { assertSame, CONDAS, FISH, TCSH, World } from '../shells/world.ts'

const LAUNCHER = join(import.meta.dirname, '../../bin/conda-stage')

const SHELLS = [
  { shell: FISH, load: `${dialects.fish.quote(LAUNCHER)} --source | source`, or: '; or' },
  { shell: TCSH, load: `eval "\`${dialects.tcsh.quote(LAUNCHER)} --source\`"`, or: '||' },
]

for (const { shell, load, or } of SHELLS) {
  for (const conda of CONDAS) {
    for (const activator of ['own', 'conda']) {
      test(`${shell.name}, ${conda} conda, activator ${activator}: a program runs from the copy, and after --unstage the session is as before`, async () => {
        using world = new World()
        const prefix = join(world.conda, 'envs/my')
        await installEnvironment(prefix, { byHand: true, variables: { DATA_HOME: `${prefix}/share` } })
        const local = join(world.root, 'local')
        world.write('local/.keep', '')
        const run = world.runWith(
          load,
          shell,
          conda,
          `conda activate my
          dump before
          conda-stage --path=${dialects[shell.dialect].quote(local)} --activator=${activator} ${or} exit 9
          dump staged
          greet
          conda-stage --status > status
          conda-stage --unstage --activator=${activator} ${or} exit 8
          dump after
          conda-stage --unstage ${or} echo "failed with $status"`,
        )
        assert.equal(run.status, 0, run.stderr)
        assert.equal(run.stdout, 'Hello from the environment\nfailed with 1\n')
        assert.match(run.stderr, /Nothing to unstage/)
        const { CONDA_PREFIX, CONDA_PROMPT_MODIFIER, DATA_HOME } = world.dump('staged').env
        assert.ok(CONDA_PREFIX!.startsWith(`${local}/conda-stage_`), CONDA_PREFIX!)
        assert.deepEqual([CONDA_PROMPT_MODIFIER, DATA_HOME], ['(my*) ', `${CONDA_PREFIX}/share`])
        assertSame(world.dump('after'), world.dump('before'))
        assert.deepEqual(readdirSync(local), ['.keep'])
      })
    }
  }
}

test('--source recognizes tcsh under the name csh, and any other csh gets an error', () => {
  using world = new World()
  const csh = join(world.root, 'csh')
  symlinkSync('/usr/bin/tcsh', csh)
  const { load } = SHELLS[1]!
  const script = 'conda-stage --version'
  const run = world.runWith(load, { ...TCSH, argv: [csh, '-f'] }, 'none', script)
  assert.match(run.stdout, /^conda-stage \d|^\d/, run.stderr)
  const other = world.runWith(load, { ...TCSH, argv: ['bsd-csh', '-f'] }, 'none', script)
  assert.match(other.stderr, /conda-stage needs tcsh/)
})
