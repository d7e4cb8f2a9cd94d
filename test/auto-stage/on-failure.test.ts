import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FISH, SHELLS, TCSH } from '../shells/world.ts'
import { AutoWorld, LAUNCHER } from './auto-world.ts'

type AnyShell = Parameters<AutoWorld['run']>[0]

const ALL: readonly AnyShell[] = [...SHELLS, FISH, TCSH]

/** What a script starts with that stops at the first error, as far as its shell can do that. */
const STRICT = { bash: 'set -euo pipefail', zsh: 'set -euo pipefail', sh: 'set -eu', fish: '', tcsh: '' }
const LOAD = {
  ...{ bash: 'eval "$(L --source=bash)"', zsh: 'eval "$(L --source=zsh)"', sh: 'eval "$(L --source=sh)"' },
  ...{ fish: 'L --source=fish | source', tcsh: 'eval "`L --source=tcsh`"' },
}

const load = ({ dialect }: AnyShell) => LOAD[dialect].replace('L', `'${LAUNCHER}'`)

/** The original's activation is complete, with the script that comes after ours. */
const original = ({ prefix }: AutoWorld) => `${prefix}\n${prefix}\nlast script\nwent on\n`
const LOOK = 'place\necho "$CONDA_PREFIX"\necho "$LAST"\necho "went on"'
const PARTS = {
  scripts: {
    ...{ 'activate.d/zzzz.sh': "export LAST='last script'\n", 'activate.d/zzzz.fish': "set -gx LAST 'last script'\n" },
    'activate.d/zzzz.csh': "setenv LAST 'last script'\n",
  },
}

/** A node that says that it is new enough, and is killed when it runs the program, as for lack of memory. */
function killedNode({ world }: AutoWorld): string {
  world.write('killed/node', '#!/bin/sh\n[ "$1" = --version ] && echo v26.0.0 || kill -9 $$\n')
  chmodSync(join(world.root, 'killed/node'), 0o755)
  return join(world.root, 'killed/node')
}

for (const shell of ALL) {
  const strict = STRICT[shell.dialect]

  test(`${shell.name}: with --on-failure=continue, a script that stops at errors goes on with the original if staging fails`, () => {
    using auto = new AutoWorld(PARTS)
    const call = 'conda-stage --path=/proc/nowhere'
    const run = (options: string, end: string) =>
      auto.run(shell, 'stand-in', `${strict}\n${load(shell)}\nconda activate my\n${call} ${options}\n${end}`)
    const { status, stdout, stderr } = run('--on-failure=continue', LOOK)
    assert.deepEqual([status, stdout], [0, original(auto)], stderr)
    assert.match(stderr, new RegExp(`^WARNING: '${auto.prefix}' was not staged: .*/proc/nowhere`, 'm'))
    const failed = run('', strict ? LOOK : 'exit $status')
    assert.deepEqual([failed.status, failed.stdout], [1, ''], failed.stderr)
    assert.match(failed.stderr, /^ERROR: /m)
  })

  test(`${shell.name}: with on-failure: fail, an activation that can not stage is complete, and stops a script that stops at errors`, () => {
    for (const remembered of [true, false]) {
      using auto = new AutoWorld(PARTS)
      auto.configure('enable', ['--path=/proc/nowhere', ...(remembered ? ['--on-failure=fail'] : [])])
      if (!remembered) auto.world.write('.config/conda-stage/config.yaml', 'on-failure: fail\n')
      const { status, stdout, stderr } = auto.run(shell, 'stand-in', `conda activate my\n${LOOK}`)
      assert.deepEqual([status, stdout], [0, original(auto)], stderr)
      assert.match(stderr, /^WARNING: '.*' was not staged: .*\/proc\/nowhere/m)
      if (strict === '') continue
      const failed = auto.run(shell, 'stand-in', `${strict}\nconda activate my\n${LOOK}`)
      assert.deepEqual([failed.status, failed.stdout], [1, ''], failed.stderr)
    }
  })

  test(`${shell.name}: if the program can not start or is killed, an activation that should stage goes on, and a warning says so`, () => {
    using auto = new AutoWorld(PARTS)
    auto.configure('enable', ['--on-failure=fail'])
    const limit = { ...shell, argv: ['sh', '-c', 'ulimit -n 24 && exec "$@"', 'sh', ...shell.argv] }
    for (const [inside, env, says] of [
      [limit, {}, /ERROR: conda-stage can't start: .*\n.*\n/],
      [shell, { CONDA_STAGE_NODE: killedNode(auto) }, /(?:.*[Kk]illed.*\n)?/],
    ] as const) {
      const { status, stdout, stderr } = auto.run(inside, 'stand-in', `${strict}\nconda activate my\n${LOOK}`, env)
      assert.deepEqual([status, stdout], [0, original(auto)], stderr)
      assert.match(stderr, new RegExp(`^${says.source}WARNING: 'my' is not staged\n$`))
      assert.deepEqual(auto.stages(), [])
    }
  })
}

for (const shell of SHELLS) {
  test(`${shell.name}: with --on-failure=continue, a script that stops at errors goes on where the program can not start`, () => {
    using auto = new AutoWorld(PARTS)
    const limit = { ...shell, argv: ['sh', '-c', 'ulimit -n 24 && exec "$@"', 'sh', ...shell.argv] }
    const script = (options: string) =>
      `${STRICT[shell.dialect]}\n${load(shell)}\nconda activate my\nconda-stage ${options}\n${LOOK}`
    // --source needs the program, too.
    const hook = auto.call([`--source=${shell.dialect}`]).stdout
    const run = (options: string) =>
      auto.run(
        limit,
        'stand-in',
        script(options).replace(load(shell), () => hook),
      )
    const { status, stdout, stderr } = run('--on-failure=continue')
    assert.deepEqual([status, stdout], [0, original(auto)], stderr)
    assert.match(stderr, /^ERROR: conda-stage can't start: .*\n.*\nWARNING: nothing was staged\n$/)
    assert.deepEqual([run('').status, run('').stdout], [1, ''])
  })

  test(`${shell.name}: with --on-failure=continue, conda that can not activate the copy costs the copy only`, () => {
    using auto = new AutoWorld(PARTS)
    const script = (options: string) => `${STRICT[shell.dialect]}\n${load(shell)}\nconda activate my
conda() { return 1; }
conda-stage --activator=conda --path='${auto.local}' ${options}
${LOOK}`
    const { status, stdout, stderr } = auto.run(shell, 'stand-in', script('--on-failure=continue'))
    assert.deepEqual([status, stdout], [0, original(auto)], stderr)
    assert.match(stderr, /^WARNING: conda could not activate the staged copy .*\n {9}\w/m)
    assert.deepEqual(auto.stages(), [])
    assert.equal(auto.run(shell, 'stand-in', script('')).status, 1)
  })
}

test('a mistake in a configuration file or a variable breaks no activation that should stage', () => {
  using auto = new AutoWorld(PARTS)
  auto.configure('enable')
  const [bash] = SHELLS as [AnyShell]
  const work = `${STRICT.bash}\nconda activate my\n${LOOK}`
  auto.world.write('.config/conda-stage/config.yaml', 'chekc: full\non-failure: nonsense\n')
  const { status, stdout, stderr } = auto.run(bash, 'stand-in', work)
  assert.equal(status, 0, stderr)
  assert.match(stdout, new RegExp(`^${auto.local}/conda-stage_`))
  assert.match(stderr, /WARNING: .*chekc/)
  const wrong = auto.run(bash, 'stand-in', work, { CONDA_STAGE_WRITABLE: 'maybe' })
  assert.deepEqual([wrong.status, wrong.stdout], [0, original(auto)])
  assert.match(wrong.stderr, /^ERROR: .*CONDA_STAGE_WRITABLE.*\n.*\nWARNING: 'my' is not staged\n$/)
})

test('--auto-stage=enable remembers --on-failure, and without it leaves that to each activation', () => {
  using auto = new AutoWorld()
  const script = () => readFileSync(join(auto.prefix, 'etc/conda/activate.d/zzz.conda-stage-auto.sh'), 'utf8')
  auto.configure('enable', ['--on-failure=fail'])
  assert.match(script(), /'?--on-failure=fail/)
  auto.configure('enable')
  assert.doesNotMatch(script(), /--on-failure=/)
})
