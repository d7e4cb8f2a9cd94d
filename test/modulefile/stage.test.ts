/** `module load CBI conda-stage`, then `conda-stage`, with the real program and a real environment. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { modulefile } from '../../src/modulefile/modulefile.ts'
import { programVersion } from '../../src/platform/program.ts'
import { smallEnvironment } from '../fixtures/environment.ts'
import { quoted as q } from '../shells/world.ts'
import { FISH, SHELLS, SYSTEMS, TCSH, World } from './world.ts'

const REPOSITORY = join(import.meta.dirname, '../..')

for (const system of SYSTEMS) {
  test(`after module load, conda-stage stages and unstages in every shell, with ${system.name}`, async () => {
    using world = new World(system)
    const { prefix } = await smallEnvironment(join(world.root, 'home/me/miniconda3/envs/my env'), { byHand: false })
    const local = join(world.root, 'local')
    mkdirSync(local)
    world.addModule('0.1.0', modulefile(system.kind, checkout(join(world.root, `it's "the" $check  out`)), '0.1.0'))
    for (const shell of [...SHELLS, FISH, TCSH]) {
      const { stdout, stderr, status } = world.run(
        shell,
        `module load CBI conda-stage
        conda-stage --quiet --path=${q(local)}
        echo "$CONDA_PREFIX"
        greet --library-prefix
        conda-stage --unstage --quiet
        echo "$CONDA_PREFIX"`,
        {
          prelude: `${SHELLS.includes(shell) ? 'set -eu\n' : ''}${world.prelude(shell)}`,
          env: {
            CONDA_PREFIX: prefix,
            CONDA_SHLVL: '1',
            CONDA_DEFAULT_ENV: 'my env',
            PATH: `${prefix}/bin:/usr/bin:/bin`,
          },
        },
      )
      assert.equal(status, 0, `${shell.name}: ${stderr}`)
      const [staged, seen, after, ...more] = stdout.split('\n')
      assert.match(staged!, /\/local\/conda-stage_[^/]+\/my env$/)
      assert.equal(seen, staged)
      assert.deepEqual([after, ...more], [prefix, ''])
    }
  })

  test(`conda-stage --modulefile=${system.kind} prints a modulefile for this installation`, () => {
    const launcher = join(REPOSITORY, 'bin/conda-stage')
    const run = (...args: string[]) =>
      execFileSync(launcher, [`--modulefile=${system.kind}`, ...args], { encoding: 'utf8', cwd: '/' })
    // The launcher runs a built program, if there is one: its templates are beside it.
    const text = neutral(modulefile(system.kind, launcher, programVersion()))
    assert.equal(neutral(run()), text)
    const { system: kind, modulefile: printed } = JSON.parse(run('--json'))
    assert.deepEqual([kind, neutral(printed)], [system.kind, text])
  })
}

/** Makes a checkout in a folder of that name. Gives its launcher. */
function checkout(folder: string): string {
  mkdirSync(folder)
  cpSync(join(REPOSITORY, 'bin'), join(folder, 'bin'), { recursive: true })
  for (const name of ['src', 'node_modules']) symlinkSync(join(REPOSITORY, name), join(folder, name))
  return join(folder, 'bin/conda-stage')
}

const neutral = (text: string): string => text.replaceAll(/(?:dist|src\/activate)\/templates/g, 'TEMPLATES')
