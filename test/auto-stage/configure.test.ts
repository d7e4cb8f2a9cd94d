import assert from 'node:assert/strict'
import { chmodSync, existsSync, globSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'
import { quoted as q } from '../shells/world.ts'
import { AutoWorld, BASH, LAUNCHER } from './auto-world.ts'

const ACTIVATE = 'etc/conda/activate.d/zzz.conda-stage-auto.sh'
const DEACTIVATE = 'etc/conda/deactivate.d/000.conda-stage-auto.sh'
const tree = (prefix: string) => globSync('**', { cwd: prefix }).sort()

test('--auto-stage=enable and =disable say what they do, and disable removes every trace', () => {
  for (const scripts of [{}, { 'activate.d/tool.sh': '', 'deactivate.d/tool.sh': '' }]) {
    using auto = new AutoWorld({ scripts })
    const before = tree(auto.prefix)
    const say = (word: string) =>
      `INFO: Configuring automatic staging of original conda environment ...\nINFO: ${word} auto staging\n`
    const enabled = auto.call(['--auto-stage=enable'], { CONDA_PREFIX: auto.prefix })
    assert.deepEqual([enabled.stderr, enabled.stdout], [say('Enabled'), ''])
    const added = tree(auto.prefix).filter((path) => !before.includes(path) && path.endsWith('.sh'))
    assert.deepEqual(added, [ACTIVATE, DEACTIVATE])
    const disabled = auto.call(['--auto-stage=disable'], { CONDA_PREFIX: auto.prefix })
    assert.deepEqual([disabled.stderr, disabled.stdout], [say('Disabled'), ''])
    assert.deepEqual(tree(auto.prefix), before)
    assert.equal(auto.call(['--auto-stage=disable'], { CONDA_PREFIX: auto.prefix }).stderr, say('Disabled'))
  }
})

test('--auto-stage=disable removes what conda-stage 0.7.1 put there', () => {
  using auto = new AutoWorld({ scripts: { 'activate.d/zzz.conda-stage-auto.sh': 'exit', 'activate.d/zzz.sh': '' } })
  auto.configure('disable')
  assert.deepEqual(readdirSync(dirname(join(auto.prefix, ACTIVATE))), ['zzz.sh'])
})

test('enabling and disabling automatic staging keeps the archive fresh, and a change beside its scripts is noticed', () => {
  for (const scripts of [{}, { 'activate.d/tool.sh': '', 'deactivate.d/tool.sh': '' }]) {
    using auto = new AutoWorld({ scripts })
    const pack = (check: string) => auto.call(['--pack', `--prefix=${auto.prefix}`, `--check=${check}`]).stderr
    const isFresh = () => ['quick', 'full'].every((check) => /archive is up to date/.test(pack(check)))
    pack('quick')
    auto.configure('enable')
    assert.ok(isFresh(), 'enabled')
    assert.match(auto.call(['--pack', '--force', `--prefix=${auto.prefix}`]).stderr, /Packed/)
    auto.configure('disable')
    assert.ok(isFresh(), 'disabled, packed while enabled')
    auto.configure('enable')
    writeFileSync(join(auto.prefix, 'etc/conda/activate.d/other.sh'), '')
    assert.match(pack('quick'), /etc\/conda\/activate\.d/)
  }
})

test('the copy has no script that stages, and --auto-stage in a staged session configures the original', () => {
  using auto = new AutoWorld()
  auto.configure('enable')
  const { stdout, stderr } = auto.run(
    BASH,
    'stand-in',
    `conda activate my
    find "$CONDA_PREFIX" -name '*conda-stage-auto*'
    find "$CONDA_PREFIX" -perm /222 ! -type l ! -path '*/conda-meta/history' # writable for conda's sake
    conda-stage --auto-stage=disable
    conda deactivate; conda activate my; place`,
  )
  assert.equal(stdout, `${auto.prefix}\n`, stderr)
  assert.ok(!existsSync(join(auto.prefix, ACTIVATE)))
})

test('--auto-stage=enable in a session that was staged by hand makes the original stage from then on', () => {
  using auto = new AutoWorld()
  const { stdout, stderr } = auto.run(
    BASH,
    'stand-in',
    `eval "$(${q(LAUNCHER)} --source=bash)"
    conda activate my
    conda-stage --quiet --path=${q(auto.local)}
    conda-stage --auto-stage=enable --path=${q(auto.local)}
    find "$CONDA_PREFIX" -name '*conda-stage-auto*'
    conda-stage --quiet --unstage
    conda deactivate
    conda activate my; echo "$CONDA_PREFIX"`,
  )
  assert.match(stderr, /^INFO: Configuring automatic staging of original .*\nINFO: Enabled auto staging\n/)
  assert.ok(stdout.startsWith(`${auto.local}/conda-stage_`), stdout)
  assert.ok(existsSync(join(auto.prefix, ACTIVATE)))
})

test('--auto-stage=enable remembers its options, even with spaces and quotes; variables decide about the rest', () => {
  using auto = new AutoWorld()
  const folder = join(auto.local, "it's $HOME")
  mkdirSync(folder)
  const staged = (args: string[], env: Record<string, string> = {}) => {
    auto.configure('enable', args)
    const run = auto.run(BASH, 'stand-in', 'conda activate my; echo "$CONDA_PREFIX"; stat -c %a "$CONDA_PREFIX"', env)
    const [copy = '', mode = ''] = run.stdout.split('\n')
    return [dirname(dirname(copy)), (Number.parseInt(mode, 8) & 0o200) !== 0]
  }
  assert.deepEqual(staged(['--writable', `--path=${folder}`]), [folder, true])
  assert.deepEqual(staged(['--read-only'], { CONDA_STAGE_WRITABLE: 'true' }), [auto.local, false])
  assert.deepEqual(staged([], { CONDA_STAGE_WRITABLE: 'true' }), [auto.local, true])
})

test('base is refused unless CONDA_STAGE_ALLOW_BASE=true, which disabling needs not', () => {
  using auto = new AutoWorld()
  const base = { CONDA_PREFIX: auto.world.conda, _CONDA_ROOT: auto.world.conda }
  const refused = auto.call(['--auto-stage=enable'], base)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /ERROR: .* is a base environment.*\n.*CONDA_STAGE_ALLOW_BASE=true/)
  assert.equal(auto.call(['--auto-stage=enable'], { ...base, CONDA_STAGE_ALLOW_BASE: 'true' }).status, 0)
  assert.equal(auto.call(['--auto-stage=disable'], base).status, 0)
})

test('who may not write to an environment is told so, and it stays as it is', () => {
  using auto = new AutoWorld({ scripts: { 'activate.d/tool.sh': '' } })
  const before = tree(auto.prefix)
  const folders = before.filter((path) => lstatSync(join(auto.prefix, path)).isDirectory())
  for (const folder of folders) chmodSync(join(auto.prefix, folder), 0o555)
  const command = [...UNPRIVILEGED, LAUNCHER, '--auto-stage=enable', `--prefix=${auto.prefix}`]
  const { status, stderr } = auto.run(BASH, 'none', command.map(q).join(' '))
  for (const folder of folders) chmodSync(join(auto.prefix, folder), 0o755)
  assert.equal(status, 1)
  assert.match(
    stderr,
    /\nERROR: Automatic staging of .*\/my can't be configured: .*zzz\.conda-stage-auto\.sh.* \(EACCES\)\n {7}\w/,
  )
  assert.deepEqual(tree(auto.prefix), before)
})

test('options that belong to --auto-stage are refused elsewhere', () => {
  using auto = new AutoWorld()
  for (const args of [
    ['--auto-unstage=enable', '--pack'],
    ['--prologue=:', '--pack'],
    ['--auto-stage=disable', '--auto-unstage=enable'],
    ['--auto-stage=maybe'],
    ['--auto-stage=enable', '--pack'],
  ]) {
    const { status, stderr } = auto.call(args)
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, /--(?:auto-stage|auto-unstage|prologue)/)
  }
})
