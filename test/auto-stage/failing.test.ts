import assert from 'node:assert/strict'
import { chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MOUNTING } from '../cli/world.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { FISH, SHELLS, type Shell, TCSH } from '../shells/world.ts'
import { AutoWorld, BASH, LAUNCHER } from './auto-world.ts'

const STRICT = 'set -eu'
const WORK = 'conda activate my; place; echo "$CONDA_PREFIX"'

/** Activation goes on with the original, even under errexit, and says why. */
function failsToStage(auto: AutoWorld, says: RegExp, shell: Shell = BASH, env: Record<string, string> = {}): void {
  const { status, stdout, stderr } = auto.run(shell, 'stand-in', `${STRICT}\n${WORK}`, env)
  assert.deepEqual([status, stdout], [0, `${auto.prefix}\n${auto.prefix}\n`], stderr)
  assert.match(stderr, says)
  assert.doesNotMatch(stderr, /ERROR|\n {4}at /)
  assert.deepEqual(auto.stages(), [])
}

function withoutProgram(auto: AutoWorld): void {
  const script = join(auto.prefix, 'etc/conda/activate.d/zzz.conda-stage-auto.sh')
  writeFileSync(script, readFileSync(script, 'utf8').replaceAll(LAUNCHER, '/nowhere/conda-stage'))
}

const SOURCED: [shell: Parameters<AutoWorld['run']>[0], end: string, source: (script: string) => string][] = [
  ...SHELLS.map((shell) => [shell, 'sh', (script: string) => `set -- activate; . '${script}'`] as (typeof SOURCED)[0]),
  [FISH, 'fish', (script) => `set cmd activate; source '${script}'`],
  [TCSH, 'csh', (script) => `source '${script}' activate`],
]

for (const [shell, end, source] of SOURCED) {
  test(`${shell.name}: a warning of automatic staging never shows a name that a terminal would obey`, () => {
    using auto = new AutoWorld()
    auto.configure('enable')
    const script = source(join(auto.prefix, `etc/conda/activate.d/zzz.conda-stage-auto.${end}`))
    const says = (name: string) => `WARNING: CONDA_STAGE=false: conda environment ${name} is not staged\n`
    const run = (name: string) =>
      auto.run(shell, 'none', script, { CONDA_STAGE: 'false', CONDA_DEFAULT_ENV: name, LC_ALL: 'C.UTF-8' }).stderr
    for (const name of ['e\x1b[31m', 'e\x9b31m', 'e\nWARNING: forged', 'e\r'])
      assert.equal(run(name), says('(its name can not be shown)'), JSON.stringify(name))
    for (const name of ['my', 'my env', "o'brien", '\\033[31m']) assert.equal(run(name), says(`'${name}'`))
  })
}

for (const shell of SHELLS) {
  test(`${shell.name}: if automatic staging finds no program, the original is active, with a warning`, () => {
    using auto = new AutoWorld()
    auto.configure('enable')
    withoutProgram(auto)
    failsToStage(
      auto,
      /^WARNING: conda-stage was not found \(it was at \/nowhere\/conda-stage\): 'my' is not staged\n$/,
      shell,
    )
  })

  test(`${shell.name}: with CONDA_STAGE=false, conda activate leaves the original active, with a warning`, () => {
    using auto = new AutoWorld()
    auto.configure('enable')
    failsToStage(auto, /^WARNING: CONDA_STAGE=false: conda environment 'my' is not staged\n$/, shell, {
      CONDA_STAGE: 'false',
    })
  })
}

test('if automatic staging finds a damaged archive, it packs the environment again, with a warning', () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  assert.equal(auto.call(['--pack', `--prefix=${auto.prefix}`]).status, 0)
  truncateSync(`${auto.prefix}.tar.zst`, 1000)
  const { status, stdout, stderr } = auto.run(BASH, 'stand-in', `${STRICT}\n${WORK}`)
  assert.equal(status, 0, stderr)
  assert.match(stdout.trimEnd().split('\n').at(-1)!, /\/local\/conda-stage_\w+\//)
  assert.match(stderr, /WARNING: [^\n]*my\.tar\.zst is damaged[^\n]*Packing the environment again/)
})

test('if others could have written the archive, automatic staging leaves the original active, and a warning names the archive', () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  assert.equal(auto.call(['--pack', `--prefix=${auto.prefix}`]).status, 0)
  chmodSync(`${auto.prefix}.tar.zst`, 0o666)
  failsToStage(auto, /\nWARNING: '[^\n]*' was not staged: [^\n]*my\.tar\.zst[^\n]*\n {9}\w/)
})

test('if automatic staging may not read the archive, the original is active, with a warning that names the archive', () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  assert.equal(auto.call(['--pack', `--prefix=${auto.prefix}`]).status, 0)
  chmodSync(`${auto.prefix}.tar.zst`, 0)
  failsToStage(auto, /\nWARNING: '[^\n]*' was not staged: [^\n]*my\.tar\.zst[^\n]*\n {9}\w/, {
    ...BASH,
    argv: [...UNPRIVILEGED, ...BASH.argv],
  })
})

test('if the local disk has no room for automatic staging, the original is active, with a warning', () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  const [program = '', ...args] = MOUNTING
  const mount = 'mount -t tmpfs -o size=16k tmpfs "$1"; shift; exec bash --norc "$@"'
  failsToStage(auto, /WARNING: '.*' was not staged: .*(?:room|space).*\n {9}\w/, {
    ...BASH,
    argv: [program, ...args, mount, 'sh', auto.local],
  })
})

test('if automatic staging can not use its local folder, the original is active, with a warning that names the folder', () => {
  using auto = new AutoWorld()
  auto.configure('enable', ['--path=/proc/nowhere'])
  failsToStage(auto, /WARNING: '.*' was not staged: .*\/proc\/nowhere/)
})

test('if the prologue fails but the program is found, the environment is still staged', () => {
  using auto = new AutoWorld()
  auto.configure('enable', ['--prologue=echo text; cd /nowhere'])
  const { stdout, stderr } = auto.run(BASH, 'stand-in', `${STRICT}\n${WORK}; pwd`)
  assert.match(stderr, /^text\n.*\/nowhere.*\nWARNING: --prologue failed: echo text; cd \/nowhere\nAuto staging/)
  assert.ok(stdout.startsWith(`${auto.local}/`))
})

test('the prologue can provide the program if it is no longer at its old path', () => {
  using auto = new AutoWorld()
  auto.configure('enable', ['--prologue=PATH="$PATH:$HOME/it\'s a module"'])
  withoutProgram(auto)
  auto.world.write("it's a module/conda-stage", '')
  const { stdout, stderr } = auto.run(
    BASH,
    'stand-in',
    `ln -sf '${LAUNCHER}' ~/it\\'s\\ a\\ module/conda-stage\n${STRICT}\n${WORK}`,
  )
  assert.ok(stdout.startsWith(`${auto.local}/`), stderr)
})
