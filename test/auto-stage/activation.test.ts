import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { CONDAS, type Dump, quoted as q, SHELLS } from '../shells/world.ts'
import { AutoWorld, SAYS } from './auto-world.ts'

const PARTS = {
  variables: { DATA: 'x' },
  scripts: {
    'activate.d/tool.sh': 'export TOOL="$CONDA_PREFIX"; export COUNT="$COUNT$CONDA_SHLVL"\n',
    'deactivate.d/tool.sh': 'unset TOOL\n',
  },
}

/** Everything but the shell function, which stays. */
const rest = ({ rest }: Dump) => rest.filter((line) => !/conda[-_]stage/.test(line))

const traps = (dump: Dump) => rest(dump).filter((line) => /trap|zshexit/.test(line))

for (const shell of SHELLS) {
  for (const conda of CONDAS) {
    describe(`${shell.name}, ${conda} conda`, () => {
      test('conda activate stages and activates the copy even if no function was loaded; conda deactivate removes it', () => {
        using auto = new AutoWorld(PARTS)
        auto.configure('enable')
        const { status, stdout, stderr } = auto.run(
          shell,
          conda,
          `PS1='$ '; export COUNT=
          set -u
          export CONDA_STAGE=false; conda activate my; conda deactivate; unset CONDA_STAGE DATA; COUNT=; dump plain
          conda activate my
          dump staged
          place
          conda-stage --status | grep staged
          conda deactivate
          unset DATA; COUNT=
          dump left
          conda activate my
          conda activate my
          echo "$CONDA_SHLVL"
          conda activate other
          ls ${q(auto.local)}
          conda deactivate
          place
          conda deactivate`,
        )
        assert.equal(status, 0, stderr)
        const [staged, left, plain] = ['staged', 'left', 'plain'].map((name) => auto.world.dump(name)) as [
          Dump,
          Dump,
          Dump,
        ]
        const copy = staged.env.CONDA_PREFIX!
        assert.ok(copy.startsWith(`${auto.local}/conda-stage_`), copy)
        assert.deepEqual([staged.env.CONDA_SHLVL, staged.env.DATA, staged.env.TOOL], ['1', 'x', copy])
        assert.equal(staged.env.COUNT, '11', 'the scripts of the original ran, and those of the copy, once each')
        assert.ok(staged.rest.some((line) => /^PS1=.*\(my\*\) \$ /.test(line)))
        assert.deepEqual(
          Object.keys(staged.env).filter((name) => name.includes('CONDA_STAGE')),
          ['CONDA_STAGE_STAGED'],
        )
        const [first, said, level, name, again = ''] = stdout.split('\n')
        assert.deepEqual([first, said], [copy, `staged:              yes, of ${auto.prefix}`])
        assert.equal(level, '1', 'activated twice, it is active once')
        assert.equal(again, `${auto.local}/${name}/my`, 'another environment on top leaves it alone')
        assert.ok(stderr.includes(`${SAYS}INFO: Staging current conda environment (${auto.prefix})`), stderr)
        assert.match(stderr, /WARNING: CONDA_STAGE=false: conda environment 'my' is not staged\n/)
        assert.deepEqual([left.env, rest(left)], [plain.env, rest(plain)])
        assert.deepEqual(auto.stages(), [])
      })

      test('after automatic staging, conda-stage --unstage goes back to the original without staging it again', () => {
        using auto = new AutoWorld(PARTS)
        auto.configure('enable')
        const { stdout, stderr } = auto.run(
          shell,
          conda,
          `dump before
          ( export CONDA_STAGE=false; conda activate my; unset CONDA_STAGE; dump plain )
          conda activate my
          conda-stage --unstage
          place
          dump own
          conda deactivate
          unset DATA
          conda activate my
          conda-stage --unstage --activator=conda
          place
          dump conda`,
          { COUNT: '' },
        )
        assert.equal(stdout, `${auto.prefix}\n${auto.prefix}\n`)
        assert.equal(stderr.split(SAYS).length, 3, stderr)
        for (const name of ['own', 'conda']) {
          const [after, plain] = [auto.world.dump(name), auto.world.dump('plain')]
          assert.deepEqual({ ...after.env, COUNT: '' }, { ...plain.env, COUNT: '' })
          assert.deepEqual(traps(after), traps(auto.world.dump('before')))
        }
        assert.deepEqual(auto.stages(), [])
      })

      if (shell.name === 'bash --posix') return

      test('an environment that conda reactivates, as after conda install, is neither staged nor unstaged', () => {
        using auto = new AutoWorld(PARTS)
        auto.configure('enable')
        const again = `again() { for folder in deactivate.d activate.d; do
            for script in "$CONDA_PREFIX/etc/conda/$folder"/*.sh; do . "$script"; done
          done; }`
        const reactivate = conda === 'real' ? '__conda_activate reactivate' : 'again reactivate'
        const { stdout, stderr } = auto.run(
          shell,
          conda,
          `${again}
          CONDA_STAGE=false; conda activate my; unset CONDA_STAGE
          ${reactivate}; place
          conda activate other; conda deactivate; place
          conda deactivate
          conda activate my; ${reactivate}; place`,
          { COUNT: '' },
        )
        const [first, second, copy = ''] = stdout.split('\n')
        assert.deepEqual([first, second], [auto.prefix, auto.prefix])
        assert.ok(copy.startsWith(auto.local), stderr)
      })
    })
  }
}

for (const conda of CONDAS) {
  test(`with conda run, the program runs from the copy, has standard output to itself, and sets the status (${conda} conda)`, () => {
    using auto = new AutoWorld(PARTS)
    auto.configure('enable', ['--prologue=echo text'])
    const standIn = q(join(import.meta.dirname, 'conda-run-stand-in.sh'))
    const run = conda === 'real' ? realRun() : `bash ${standIn} my`
    const { status, stdout } = auto.run(SHELLS[0]!, conda, `${run} place; ${run} sh -c 'exit 7'`, { COUNT: '' })
    assert.equal(status, 7)
    assert.ok(stdout.startsWith(`${auto.local}/conda-stage_`) && stdout.endsWith('/my\n'), stdout)
    assert.deepEqual(auto.stages(), [])
  })
}

/** If pip installed conda, its own program refuses to run commands, but its module runs them. It uses the program to activate. */
function realRun(): string {
  const python = process.env.CONDA_STAGE_TEST_CONDA!
  return `env CONDA_EXE=${q(join(dirname(python), 'conda'))} _CE_M= _CE_CONDA= ${q(python)} -m conda run -n my`
}
