import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { type Arch, writeOneFile, writeRelease } from '../../scripts/release.ts'
import { programVersion } from '../../src/platform/program.ts'
import { temporaryFolder } from '../cli/world.ts'
import { parts } from './built.ts'
import { arm64Machine, bareMachine, on } from './machine.ts'

const { out, what } = await parts()
const archives: Partial<Record<Arch, string>> = {}
const archiveFor = (arch: Arch): string => (archives[arch] ??= writeRelease(out, { ...what, arch }))

/** Unpacks a release into a machine's /opt. Returns its path there. */
function unpack(archive: string, root: string): string {
  mkdirSync(join(root, 'opt'), { recursive: true })
  execFileSync('tar', ['-xzf', archive, '-C', join(root, 'opt')])
  return join('/opt', basename(archive, '.tar.gz'))
}

function isElf(path: string): boolean {
  const fd = openSync(path, 'r')
  const start = Buffer.alloc(4)
  readSync(fd, start)
  closeSync(fd)
  return start.toString('latin1') === '\x7fELF'
}

const done = (stdout: string) => ({ status: 0, stdout, stderr: '' })

test('release and one file run on a bare machine, which has no libatomic, and commands get the variables of the session', (context) => {
  const root = bareMachine(context)
  const release = unpack(archiveFor(what.arch), root)
  copyFileSync(writeOneFile(out, what), join(root, 'one'))
  mkdirSync(join(root, 'env/conda-meta'), { recursive: true })
  writeFileSync(join(root, 'env/conda-meta/history'), '')
  for (const launcher of [`${release}/libexec/conda-stage/bin/conda-stage`, '/one']) {
    assert.deepEqual(on(root, [launcher, '--version']), done(`${programVersion()}\n`))
    const staged = ['--exec', '--prefix=/env', '--path=/scratch', '--quiet', '--', 'env']
    for (const value of [undefined, '/theirs']) {
      const { status, stdout } = on(root, [launcher, ...staged], {
        env: value === undefined ? {} : { LD_LIBRARY_PATH: value },
      })
      assert.equal(status, 0)
      assert.equal(/^LD_LIBRARY_PATH=(.*)$/m.exec(stdout)?.[1], value)
    }
  }
})

test('no program of a release, for either kind of computer, needs a glibc newer than 2.28, or a library that it does not name', (context) => {
  const ours = /^(ld-linux.*|lib(atomic|c|dl|gcc_s|m|pthread|stdc\+\+))\.so\.\d$/
  for (const arch of ['x64', 'arm64'] as const) {
    const folder = join(temporaryFolder(context), 'root')
    const release = unpack(archiveFor(arch), folder)
    const programs = globSync('**/*', { cwd: join(folder, release), withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => isElf(path))
    assert.deepEqual(programs.map((path) => basename(path)).sort(), ['libatomic.so.1', 'node'])
    for (const path of programs) {
      const needs = execFileSync('readelf', ['-dVW', path], { encoding: 'utf8' })
      const versions = [...needs.matchAll(/Name: GLIBC_2\.(\d+)/g)].map(([, version]) => Number(version))
      assert.equal(Math.max(0, ...versions), basename(path) === 'node' ? 28 : 0)
      for (const [, library] of needs.matchAll(/\(NEEDED\).*\[(.*)\]/g)) assert.match(library!, ours, path)
    }
  }
})

test('on a system that our Node can not run on, the message says what it needs, and --on-failure=continue gives the original', (context) => {
  const root = bareMachine(context)
  const release = unpack(archiveFor(what.arch), root)
  const launcher = `${release}/libexec/conda-stage/bin/conda-stage`
  const needs =
    /Its own Node needs glibc 2\.28 or newer, libstdc\+\+ and libatomic\. Put a Node that runs here on PATH,\n/
  const refused = (reason: RegExp) => {
    const { status, stderr } = on(root, [launcher, '--version'])
    assert.equal(status, 1, stderr)
    assert.match(stderr, reason)
    assert.match(stderr, needs)
    const { stdout } = on(root, [launcher, '--on-failure=continue', '--prefix=/far/env'])
    assert.equal(stdout, '/far/env\n')
  }
  // What an older glibc says is of this kind: something that Node needs is not there.
  writeFileSync(join(root, 'lib/x86_64-linux-gnu/libc-2.17.so'), '')
  assert.equal(on(root, [launcher, '--version']).status, 0)
  rmSync(join(root, 'lib/x86_64-linux-gnu/libm.so.6'))
  refused(/bin\/node does not run here \(error while loading shared libraries: libm\.so\.6: /)
  rmSync(join(root, 'lib64'), { recursive: true })
  refused(/bin\/node does not run here \(.*(not found|No such file or directory)\)/)
})

test('the release for arm64 packs, stages, runs and unstages on a bare machine of that kind', (context) => {
  const root = arm64Machine(context)
  const release = unpack(archiveFor('arm64'), root)
  cpSync('/usr/aarch64-linux-gnu/lib/libm.so.6', join(root, 'env/lib/libm.so.6'), { recursive: true })
  mkdirSync(join(root, 'env/conda-meta'), { recursive: true })
  mkdirSync(join(root, 'env/bin'))
  writeFileSync(join(root, 'env/conda-meta/history'), '')
  writeFileSync(join(root, 'env/bin/tell'), '#!/env/bin/bash\necho "$BASH of $0"\n', { mode: 0o755 })
  copyFileSync('/bin/bash-static', join(root, 'env/bin/bash'))
  const session = `
    eval "$("$0" --source=bash)"
    export CONDA_PREFIX=/env CONDA_SHLVL=1 CONDA_DEFAULT_ENV=env PATH=/env/bin:$PATH
    conda-stage --path=/scratch --quiet && tell && conda-stage --unstage --quiet && tell`
  const launcher = `${release}/libexec/conda-stage/bin/conda-stage`
  const { status, stdout, stderr } = on(root, ['bash', '-c', session, launcher], { emulated: true })
  assert.equal(stderr, '')
  assert.match(
    stdout,
    /^(\/scratch\/conda-stage_\w+\/env)\/bin\/bash of \1\/bin\/tell\n\/env\/bin\/bash of \/env\/bin\/tell\n$/,
  )
  assert.equal(status, 0)
})
