import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CONDAS, FISH, quoted as q, TCSH } from '../shells/world.ts'
import { AutoWorld, LAUNCHER, SAYS } from './auto-world.ts'

// In csh, conda itself only quotes paths with double quotes, and it can't handle a space in them.
const NAME = 'it'

const CASES = [
  {
    shell: FISH,
    end: 'fish',
    off: { on: 'set -gx CONDA_STAGE false', free: 'set -e CONDA_STAGE' },
    /** Whether the shell itself removes the copy when it ends. */
    atExit: true,
  },
  {
    shell: TCSH,
    end: 'csh',
    off: { on: 'setenv CONDA_STAGE false', free: 'unsetenv CONDA_STAGE' },
    atExit: false,
  },
] as const

for (const { shell, end, off, atExit } of CASES) {
  for (const conda of CONDAS) {
    describe(`${shell.name}, ${conda} conda`, () => {
      test(`${shell.name}: conda activate stages; leaving the copy, going back to it, unstaging and exit behave as in other shells`, async () => {
        using auto = new AutoWorld({}, NAME)
        auto.configure('enable', ['--prologue=echo "a prologue"'])
        const list = `ls ${q(auto.local)}`
        const { status, stdout, stderr } = auto.run(
          shell,
          conda,
          `${off.on}
          conda activate my; place; conda deactivate
          ${off.free}
          conda activate my
          place
          conda activate my; echo $CONDA_SHLVL
          conda activate other; ${list}; conda deactivate
          place
          conda deactivate
          echo left; ${list}
          conda activate my
          conda-stage --unstage
          place
          conda deactivate
          conda activate my
          env | grep CONDA_STAGE
          exit 4`,
        )
        const lines = stdout.split('\n').filter((line) => line !== 'a prologue')
        const [original, copy = '', level, name, back, ...rest] = lines
        assert.deepEqual([original, level, back], [auto.prefix, '1', copy], stderr)
        assert.equal(copy, `${auto.local}/${name}/my`)
        assert.deepEqual(rest, ['left', auto.prefix, 'CONDA_STAGE_STAGED=true', ''])
        assert.equal(stderr.split(SAYS).length, 5)
        assert.match(stderr, /WARNING: CONDA_STAGE=false: conda environment 'my' is not staged\n/)
        assert.equal(status, 4)
        if (atExit) assert.deepEqual(auto.stages(), [])
        await auto.gone()
      })
    })
  }

  test(`${shell.name}: if automatic staging finds no program, the original is active, with a warning`, () => {
    using auto = new AutoWorld({}, NAME)
    auto.configure('enable')
    const script = join(auto.prefix, `etc/conda/activate.d/zzz.conda-stage-auto.${end}`)
    const quoted = LAUNCHER.replaceAll(/\\?([^\w/.\\-])/g, '\\$1')
    const text = readFileSync(script, 'utf8').replaceAll(LAUNCHER, '/nowhere').replaceAll(quoted, '/nowhere')
    writeFileSync(script, text)
    const { stdout, stderr } = auto.run(shell, 'stand-in', 'conda activate my; place')
    assert.equal(stdout, `${auto.prefix}\n`, stderr)
    assert.match(stderr, /^WARNING: conda-stage was not found \(it was at \/nowhere\): 'my' is not staged\n$/)
  })

  test(`${shell.name}: if others could have written the archive, the original stays active, and a warning names the archive`, () => {
    using auto = new AutoWorld({}, NAME)
    auto.configure('enable')
    assert.equal(auto.call(['--pack', `--prefix=${auto.prefix}`]).status, 0)
    chmodSync(`${auto.prefix}.tar.zst`, 0o666)
    const { status, stdout, stderr } = auto.run(shell, 'stand-in', 'conda activate my; place; echo $CONDA_PREFIX')
    assert.deepEqual([status, stdout], [0, `${auto.prefix}\n${auto.prefix}\n`], stderr)
    assert.match(stderr, /\nWARNING: '[^\n]*' was not staged: [^\n]*my\.tar\.zst/)
    assert.doesNotMatch(stderr, /ERROR|\n {4}at /)
    assert.deepEqual(auto.stages(), [])
  })
}
