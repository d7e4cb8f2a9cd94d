import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { quoted as q } from '../shells/world.ts'
import { SESSIONS, SHELLS, SYSTEMS, World } from './world.ts'

for (const { system, shell } of SESSIONS) {
  describe(`${system.name}, ${shell.name}`, () => {
    test('module load defines conda-stage without starting it, and module unload restores the session', () => {
      using world = new World(system)
      const folder = world.addRecorder('0.1.0')
      const { stdout, stderr } = world.run(
        shell,
        `module load CBI
        dump before
        module load conda-stage
        dump loaded
        echo "$PATH"
        conda-stage 'a  b' "it's" '*'
        echo "$CALLED"
        unset CALLED
        module unload conda-stage
        dump after`,
        { prelude: `set -eu\n${world.prelude(shell)}` },
      )
      const called = `0.1.0 for ${shell.dialect}: a  b it's *`
      assert.equal(stdout, `${folder}:/usr/bin:/bin\n${called}\nyes\n`, stderr)
      assert.equal(stderr, '')
      assert.equal(world.calls(), 1)
      assert.ok(world.dump('loaded').some((line) => line.includes('conda-stage')))
      assert.deepEqual(world.dump('after'), world.dump('before'))
    })

    test('after repeated loads, reloads and swaps, the session has one conda-stage, of one version', () => {
      using world = new World(system)
      world.addRecorder('0.1.0')
      const folder = world.addRecorder('0.2.0')
      const { stdout, stderr } = world.run(
        shell,
        `module load CBI
        dump before
        module load conda-stage/0.1.0
        module load conda-stage/0.1.0
        conda-stage twice
        module ${system.kind === 'lmod' ? 'update' : 'reload'}
        conda-stage again
        module swap conda-stage conda-stage/0.2.0
        conda-stage swapped
        echo "$PATH"
        module load conda-stage/0.1.0
        conda-stage other
        module unload conda-stage
        unset CALLED
        dump after`,
      )
      // Lmod exchanges the version; Environment Modules refuses to load a second one.
      const other = system.kind === 'lmod' ? '0.1.0' : '0.2.0'
      const calls = ['0.1.0: twice', '0.1.0: again', '0.2.0: swapped', `${other}: other`]
      const lines = calls.map((call) => call.replace(':', ` for ${shell.dialect}:`))
      lines.splice(3, 0, `${folder}:/usr/bin:/bin`)
      assert.deepEqual(stdout.trimEnd().split('\n'), lines, stderr)
      assert.match(stderr, system.kind === 'lmod' ? /0\.2\.0 => .*0\.1\.0/ : /conflict/)
      assert.deepEqual(world.dump('after'), world.dump('before'))
    })

    test('a script started by the session can load the module again', () => {
      using world = new World(system)
      world.addRecorder('0.1.0')
      const job = `${world.prelude(shell)}module load CBI conda-stage\nconda-stage job`
      const { stdout, stderr } = world.run(shell, `module load CBI conda-stage\n${shell.argv.join(' ')} -c ${q(job)}`)
      assert.equal(stdout, `0.1.0 for ${shell.dialect}: job\n`, stderr)
    })

    test('older module functions load it too, although they let the shell split and expand the code', () => {
      using world = new World(system)
      world.addRecorder('0.1.0')
      const { stdout, stderr } = world.run(
        shell,
        `module() { eval \`${system.command} ${shell.dialect} "$@"\`; }
        module load CBI conda-stage
        conda-stage old
        module unload conda-stage
        command -v conda-stage __conda_stage`,
      )
      assert.equal(stdout, `0.1.0 for ${shell.dialect}: old\n`, stderr)
    })
  })
}

for (const system of SYSTEMS) {
  const shell = SHELLS[0]!

  describe(system.name, () => {
    test('module whatis, help and show give its purpose, version and usage', () => {
      using world = new World(system)
      const folder = world.addRecorder('0.1.0')
      const { stdout } = world.run(
        shell,
        `module load CBI
        for what in whatis help show; do module $what conda-stage 2>&1; echo =====; done`,
      )
      const [whatis = '', help = '', show = ''] = stdout.split('=====\n')
      assert.match(whatis, /conda-stage\/0\.1\.0.*: .*[Ss]tage the active conda environment to local disk/)
      assert.match(whatis, /: (Version: |conda-stage )0\.1\.0/)
      assert.match(help, /^conda-stage 0\.1\.0: .*\n\n(.*\n)* {2}conda-stage --unstage {2,}go back/m)
      for (const part of [folder, 'conda-stage']) assert.ok(show.includes(part), show)
      // The shell would run any code in this.
      assert.doesNotMatch(show, /builtin|eval/)
    })

    test('bash scripts started by the session have the function even if they load nothing', () => {
      using world = new World(system)
      world.addRecorder('0.1.0')
      const { stdout, stderr } = world.run(
        shell,
        `module load CBI conda-stage
        bash -euc 'conda-stage inherited'
        module unload conda-stage
        bash -c 'type conda-stage __conda_stage'`,
      )
      assert.equal(stdout, '0.1.0 for bash: inherited\n')
      assert.match(stderr, /^(bash: .* type: .*not found\n){2}$/)
    })
  })
}
