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

/** What neither module system's own code can put into PATH in tcsh (`{` and `[`) is no path of an installation there. */
const FOLDER = { fish: undefined, tcsh: `it's é "the" $version; * #\\` }

for (const system of SYSTEMS) {
  for (const { shell, path, isDefined, forget } of CASES) {
    const folderFor = FOLDER[shell.name as keyof typeof FOLDER]
    describe(`${system.name}, ${shell.name}`, () => {
      test('module load defines conda-stage without calling anything, and module unload takes all of it away', () => {
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

      test('reloaded or swapped, there is one function, of one version', () => {
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

      test('a script that the session starts loads it again', () => {
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
