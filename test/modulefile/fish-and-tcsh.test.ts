import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FISH, type Shell, SYSTEMS, TCSH, World } from './world.ts'

const CASES: { shell: Shell; path: string; isDefined: string; forget: string }[] = [
  {
    shell: FISH,
    path: 'string join : $PATH',
    isDefined: 'functions -q conda-stage; and echo defined',
    forget: 'set -e CALLED',
  },
  {
    shell: TCSH,
    path: 'echo "$PATH"',
    isDefined: 'alias conda-stage | grep -q call.csh && echo defined',
    forget: 'unset CALLED',
  },
]

/** In tcsh neither module system can put `{` and `[` into PATH, so no installation has these in its path. */
const FOLDER = { fish: undefined, tcsh: `it's é "the" $version; * #\\` }

for (const system of SYSTEMS) {
  for (const { shell, path, isDefined, forget } of CASES) {
    const folderFor = FOLDER[shell.name as keyof typeof FOLDER]
    describe(`${system.name}, ${shell.name}`, () => {
      test('module load defines conda-stage without starting it, and module unload restores the session', () => {
        using world = new World(system)
        const folder = world.addRecorder('0.1.0', folderFor)
        const { stdout, stderr } = world.run(
          shell,
          `module load CBI
          dump before
          module load conda-stage
          ${isDefined}
          ${path}
          conda-stage 'a  b' "it's" '*'
          echo $CALLED
          ${forget}
          module unload conda-stage
          ${isDefined}
          dump after`,
        )
        const called = `0.1.0 for ${shell.dialect}: a  b it's *`
        assert.equal(stdout, `defined\n${folder}:/usr/bin:/bin\n${called}\nyes\n`, stderr)
        assert.equal(stderr, '')
        assert.equal(world.calls(), 1)
        assert.deepEqual(world.dump('after'), world.dump('before'))
      })

      test('after a reload or a swap, the session has one conda-stage, of the version loaded last', () => {
        using world = new World(system)
        world.addRecorder('0.1.0', 'old')
        world.addRecorder('0.2.0', 'new')
        const { stdout, stderr } = world.run(
          shell,
          `module load CBI conda-stage/0.1.0
          module ${system.kind === 'lmod' ? 'update' : 'reload'}
          conda-stage again
          module swap conda-stage conda-stage/0.2.0
          conda-stage swapped
          module unload conda-stage
          ${isDefined}`,
        )
        assert.equal(stdout, `0.1.0 for ${shell.dialect}: again\n0.2.0 for ${shell.dialect}: swapped\n`, stderr)
      })

      test('a script started by the session can load the module again', () => {
        using world = new World(system)
        world.addRecorder('0.1.0', folderFor)
        const again = world.prelude(shell)
        const job = `${again}module load CBI conda-stage\nconda-stage job\n`
        const { stdout, stderr } = world.run(
          shell,
          `module load CBI conda-stage\n${shell.argv.join(' ')} '${world.script('job', job)}'`,
        )
        assert.equal(stdout, `0.1.0 for ${shell.dialect}: job\n`, stderr)
      })
    })
  }
}
