import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dialects } from '../../src/activate/dialects.ts'
import { hook, unhook } from '../../src/activate/hook.ts'
import { active } from './cases.ts'
import { TCSH, World } from './world.ts'

const q = dialects.tcsh.quote

test('tcsh: conda-stage works in conditions and blocks, and if TMPDIR is gone', () => {
  using world = new World()
  const run = world.run(
    TCSH,
    'none',
    `conda-stage fail && echo no
    if ( 1 ) then
    conda-stage data
    endif
    ( setenv CONDA_STAGE false; conda-stage data && echo nothing done )`,
    { TMPDIR: '/nowhere' },
  )
  assert.equal(run.stdout, 'data\nnothing done\n', run.stderr)
})

test('tcsh: without a prompt and with no value held back, the program sees neither', () => {
  using world = new World()
  world.run(TCSH, 'none', 'conda-stage environment call')
  const call = JSON.parse(readFileSync(join(world.root, 'call'), 'utf8'))
  assert.equal(call.shell.ps1, undefined)
  assert.equal(call.env.LD_PRELOAD, undefined)
})

test('tcsh: a script that runs with -e goes on after success, and ends with the status of a failure', () => {
  using world = new World()
  const original = world.environment('my')
  const staged = world.stage(original)
  const both = `${q(original)} ${q(staged)}`
  const script = `conda-stage stage ${both}; conda-stage unstage ${both}; echo done; conda-stage fail; echo no`
  const run = world.run({ ...TCSH, argv: ['tcsh', '-fe'] }, 'none', script, active(original))
  assert.deepEqual([run.stdout, run.status], ['done\n', 3], run.stderr)
})

test('tcsh: under the name csh, the code of --source defines conda-stage, and its counterpart removes it, even twice', () => {
  using world = new World()
  const csh = join(world.root, 'csh')
  symlinkSync('/usr/bin/tcsh', csh)
  world.write('hook', hook('csh', world.launcher))
  world.write('unhook', unhook('csh'))
  const run = world.run(
    { name: 'csh', dialect: 'tcsh', argv: [csh, '-f'] },
    'none',
    `source ./unhook; alias conda-stage
    eval "\`cat hook\`"
    conda-stage data
    source ./unhook; source ./unhook; alias conda-stage`,
  )
  assert.equal(run.stdout, 'data\n', run.stderr)
})

test('tcsh: at a prompt the session goes on after success and failure', () => {
  using world = new World()
  const original = world.environment('my')
  const staged = world.stage(original)
  world.write('hook', hook('tcsh', world.launcher))
  const lines = `source ./hook\nconda-stage stage ${q(original)} ${q(staged)}\necho "at $CONDA_PREFIX"\nconda-stage fail\necho "status $status of $#argv"\nexit\n`
  const env = { ...active(original), HOME: world.root, TERM: 'dumb' }
  const run = spawnSync('script', ['-qec', 'tcsh -f', '/dev/null'], {
    cwd: world.root,
    env,
    input: lines,
    encoding: 'utf8',
  })
  assert.ok(run.stdout.includes(`at ${staged}\r\n`), run.stdout)
  assert.match(run.stdout, /^# status 3 of 0\r$/m)
})

test('a csh other than tcsh gets an error and no alias', () => {
  using world = new World()
  world.write('hook', hook('csh', world.launcher))
  const run = spawnSync('bsd-csh', ['-f', '-c', 'source hook; alias'], { cwd: world.root, encoding: 'utf8' })
  assert.equal(run.stdout, '')
  assert.match(run.stderr, /^ERROR: conda-stage needs tcsh: .*\n$/)
})
