import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeRelease } from '../../scripts/release.ts'
import { COMPLETION_SHELLS } from '../../src/completion/completion.ts'
import { programVersion } from '../../src/platform/program.ts'
import { MOUNTING, temporaryFolder } from '../cli/world.ts'
import { assertAsShown } from '../docs/compare.ts'
import { sessionsOf } from '../docs/document.ts'
import { typeIn } from '../docs/login.ts'
import { bare, parts, printed } from './built.ts'

const { out, what } = await parts()
const archive = writeRelease(out, what)
const VERSION = programVersion()

/** An unpacked release, and a home. */
function place(context: TestContext) {
  const root = temporaryFolder(context)
  execFileSync('tar', ['-xzf', archive, '-C', root])
  const home = join(root, 'home')
  mkdirSync(home)
  const env = { HOME: home, PATH: '/usr/bin:/bin', SHELL: '/bin/bash' }
  return { root, home, env, release: join(root, basename(archive, '.tar.gz')), prefix: join(root, 'a place') }
}

/** Makes a release another one. */
function change(release: string, version: string): void {
  const file = join(release, 'libexec/conda-stage/package.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"version": ".*"/, `"version": "${version}"`))
}

/** All files and links below a folder. */
const below = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [] : [join(entry.parentPath, entry.name)],
      )
    : []

test('the same program gives the same release, byte for byte, whoever packs it and when', () => {
  const again = join(out, 'again')
  cpSync(what.dist, join(again, 'dist'), { recursive: true })
  const old = process.umask(0o077)
  try {
    assert.ok(readFileSync(writeRelease(again, { ...what, dist: join(again, 'dist') })).equals(readFileSync(archive)))
  } finally {
    process.umask(old)
  }
})

test('the unpacked folder runs where it lies: read-only, with a blank in its path, without variables, and moved elsewhere', (context) => {
  const { root, release } = place(context)
  execFileSync('chmod', ['-R', 'a-w', release])
  assert.equal(printed([join(release, 'bin/conda-stage'), '--version']), `${VERSION}\n`)
  const moved = join(root, 'moved to here')
  execFileSync('chmod', ['u+w', release])
  renameSync(release, moved)
  const versions = printed([join(moved, 'bin/conda-stage'), '--version', '--full'])
  assert.match(versions, new RegExp(`^node: v26\\S+ \\(${moved}/libexec/`, 'm'))
})

test('installs the program, its manual, completions and modulefiles below a folder; users find them where they look', (context) => {
  const { release, prefix, env } = place(context)
  printed([join(release, 'install.sh'), `--prefix=${prefix}`], env)
  execFileSync('rm', ['-r', release])
  const launcher = join(prefix, 'bin/conda-stage')
  assert.equal(printed([launcher, '--version']), `${VERSION}\n`)
  assert.match(readFileSync(join(prefix, 'share/man/man1/conda-stage.1'), 'utf8'), /^\.TH CONDA/)
  const completions = [
    'bash-completion/completions/conda-stage',
    'zsh/site-functions/_conda-stage',
    'fish/vendor_completions.d/conda-stage.fish',
  ]
  for (const [i, shell] of COMPLETION_SHELLS.entries())
    assert.equal(
      readFileSync(join(prefix, 'share', completions[i]!), 'utf8'),
      printed([launcher, `--completion=${shell}`]),
    )
  for (const [name, system] of [
    [VERSION, 'tcl'],
    [`${VERSION}.lua`, 'lmod'],
  ])
    assert.equal(
      readFileSync(join(prefix, 'share/modulefiles/conda-stage', name!), 'utf8'),
      printed([launcher, `--modulefile=${system}`]),
    )
})

test('without --rc no file of a shell is touched; with it, one line loads the function, however often it is asked for', (context) => {
  const { release, home, env } = place(context)
  const rc = join(home, '.bashrc')
  writeFileSync(rc, 'echo mine >&2') // without the end of the line
  printed([join(release, 'install.sh')], env)
  assert.equal(readFileSync(rc, 'utf8'), 'echo mine >&2')
  for (let i = 0; i < 2; i++) {
    const said = printed([join(release, 'install.sh'), '--rc'], env)
    const [, now = ''] = /^To load it in this one: (.*)$/m.exec(said) ?? []
    assert.equal(printed(['bash', '--norc', '-c', `${now}; type -t conda-stage`], env), 'function\n', said)
  }
  assert.equal(readFileSync(rc, 'utf8').split('\n').length, 3)
  assert.equal(printed(['bash', '--norc', '-c', '. ~/.bashrc; type -t conda-stage'], env), 'function\n')
  const gone = printed([join(release, 'install.sh'), '--uninstall'], env)
  assert.match(
    gone,
    new RegExp(`^${rc} still has the line that loaded it, which does nothing now\\. You can remove it\\.$`, 'm'),
  )
  assert.deepEqual(bare(['bash', '--norc', '-c', '. ~/.bashrc'], env), { status: 0, stdout: '', stderr: 'mine\n' })
})

test('where a startup file or the prefix can not be written, the installer says what to do, and conda-stage is installed if it can be', (context) => {
  const { release, home, env } = place(context)
  const install = join(release, 'install.sh')
  const rc = join(home, '.bashrc')
  mkdirSync(rc) // Root may write to any file.
  const { status, stdout, stderr } = bare([install, '--rc'], env)
  assert.equal(status, 1)
  assert.match(stdout, /^conda-stage \S+ is installed: /m)
  const [, line = ''] =
    /^ERROR: \S+\.bashrc can't be written\. Add this line to it yourself: (.*)\n$/.exec(stderr) ?? []
  assert.equal(printed(['bash', '--norc', '-c', `${line}; type -t conda-stage`], env), 'function\n', stderr)
  const nowhere = bare([install, '--prefix=/dev/null/site'], env)
  assert.deepEqual(nowhere, {
    status: 1,
    stdout: '',
    stderr: "ERROR: /dev/null/site/libexec/conda-stage can't be made. Choose another place: --prefix=DIR\n",
  })
})

test('there is no moment in an upgrade at which a call fails; the program before it stays until the next upgrade', async (context) => {
  const { release, prefix, env } = place(context)
  const install = () => printed([join(release, 'install.sh'), `--prefix=${prefix}`], env)
  const launcher = join(prefix, 'bin/conda-stage')
  const program = () => realpathSync(launcher)
  install()
  const first = program()
  const log = join(prefix, 'log')
  const calls = spawn(
    'sh',
    [
      '-c',
      'while [ -e "$0" ]; do "$1" --version 2>&1 || echo broken; done > "$2"; : > "$2.end"',
      join(prefix, 'bin'),
      launcher,
      log,
    ],
    { stdio: 'ignore' },
  )
  change(release, '98.2.0')
  install()
  assert.equal(printed([launcher, '--version']), '98.2.0\n')
  assert.deepEqual(readdirSync(join(prefix, 'share/modulefiles/conda-stage')).sort(), ['98.2.0', '98.2.0.lua'])
  assert.ok(existsSync(first))
  change(release, '98.3.0')
  install()
  calls.kill()
  await once(calls, 'close')
  assert.ok(!existsSync(first))
  const seen = new Set(readFileSync(log, 'utf8').trim().split('\n'))
  const versions = [VERSION, '98.2.0', '98.3.0']
  assert.ok(seen.size >= 2 && [...seen].every((line) => versions.includes(line)), [...seen].join(', '))
  const after = below(prefix)
  install()
  assert.deepEqual(below(prefix), after)
})

test('a release that does not run on this machine replaces nothing', (context) => {
  const { release, prefix, env } = place(context)
  const install = () => bare([join(release, 'install.sh'), `--prefix=${prefix}`], env)
  assert.equal(install().status, 0)
  const before = below(prefix)
  appendFileSync(join(release, 'libexec/conda-stage/dist/bin.cjs'), '}')
  const { status, stderr } = install()
  assert.equal(status, 1)
  assert.match(
    stderr,
    /ERROR: This release does not run on this machine, or it was cut in the download\. .* is unchanged\.\n$/,
  )
  assert.deepEqual(below(prefix), before)
})

test('a conda-stage that was installed in another way is not replaced', (context) => {
  const { release, prefix, env } = place(context)
  mkdirSync(join(prefix, 'bin'), { recursive: true })
  writeFileSync(join(prefix, 'bin/conda-stage'), 'mine')
  const { status, stderr } = bare([join(release, 'install.sh'), `--prefix=${prefix}`], env)
  assert.equal(status, 1)
  assert.match(stderr, /bin\/conda-stage is there, and is not from this installer/)
  assert.deepEqual(below(prefix), [join(prefix, 'bin/conda-stage')])
})

test('what was installed goes without a rest, and what else is there stays', (context) => {
  const { release, prefix, env } = place(context)
  const theirs = [join(prefix, 'bin/theirs'), join(prefix, 'share/modulefiles/conda-stage/9')]
  for (const file of theirs) {
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, '')
  }
  printed([join(release, 'install.sh'), `--prefix=${prefix}`], env)
  execFileSync('rm', ['-r', release])
  const own = join(prefix, 'libexec/conda-stage/current/install.sh')
  assert.ok(lstatSync(own).isFile())
  printed([own, '--uninstall', `--prefix=${prefix}`], env)
  assert.deepEqual(below(prefix).sort(), theirs)
})

test('the session in docs/installing.md happens as shown', (context) => {
  const root = temporaryFolder(context)
  const home = join(root, 'home/me')
  mkdirSync(home, { recursive: true })
  symlinkSync(archive, join(home, basename(archive)))
  const page = readFileSync(join(import.meta.dirname, '../../docs/installing.md'), 'utf8')
  const commands = sessionsOf(page.replaceAll('linux-x64', `linux-${process.arch}`))
  const env = { HOME: home, PATH: '/usr/bin:/bin', SHELL: '/bin/bash' }
  const done = typeIn({ cwd: home, env, startup: "PS1='$ '" }, commands)
  const onPage = done.map(({ prompt, printed }) => ({ prompt, printed: printed.replaceAll(root, '') }))
  assertAsShown('docs/installing.md', commands, onPage)
})

test('where the disk is full, nothing is installed and nothing left, and one line says so', (context) => {
  const { root, release } = place(context)
  const full = join(root, 'full')
  mkdirSync(full)
  const install =
    'mount -t tmpfs -o size=40m none "$0"; "$1" --prefix="$0/new" && exit; status=$?; ls -A "$0"; exit $status'
  const [command = '', ...args] = [...MOUNTING, install, full, join(release, 'install.sh')]
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' })
  assert.match(
    stderr,
    /^ERROR: cp: .*: No space left on device\. .*\/new is unchanged\. It needs 150 MB: --prefix=DIR\n$/,
  )
})
