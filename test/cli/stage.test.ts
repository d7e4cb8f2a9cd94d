import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { copiedWorld, listing, MOUNTING, run, stageOf, succeed, type World, world } from './world.ts'

const stageArgs = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]
const DATE = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}`

test('a first stage reports each of its steps in a line', async (context) => {
  const place = await copiedWorld(context)
  const { prefix, archive, local } = place
  const { stdout, stderr } = await succeed(place, stageArgs(place))
  const folder = dirname(stdout.trimEnd())
  const bytes = statSync(archive).size
  const lines = [
    `INFO: Staging current conda environment \\(${prefix}\\) to local disk \\.\\.\\.`,
    'INFO: Packaging conda environment \\.\\.\\.',
    '\\[#{40}\\] \\| 100% Completed \\|  \\d+\\.\\ds \\| \\d+ files \\| \\d+ MB',
    'INFO: Total packaging time: \\d+ seconds?',
    `INFO: Extracting ${archive} \\(${bytes} bytes; ${DATE}\\) to ${folder}`,
    'INFO: Total extract time: \\d+ seconds?',
    'INFO: Make staged environment read-only',
    `INFO: ${prefix} is on local disk already \\(file system \\w+\\): a copy gains little`,
  ]
  assert.match(stderr, new RegExp(`^${lines.join('\n')}\n$`))
  assert.match(stdout, new RegExp(`^${local}/conda-stage_[A-Za-z0-9]+/myjupyter\n$`))
})

test('a second stage of an unchanged environment uses the archive and does not pack', async (context) => {
  const place = await copiedWorld(context)
  await succeed(place, stageArgs(place))
  const before = listing(dirname(place.prefix))
  const { stdout, stderr } = await succeed(place, [...stageArgs(place), '--private'])
  assert.doesNotMatch(stderr, /[Pp]ack|Completed/)
  assert.match(stderr, /^INFO: Staging [^\n]*\nINFO: Extracting /)
  assert.equal(readdirSync(place.local).length, 2)
  assert.equal(stdout.length, place.prefix.length + 1)
  assert.deepEqual(listing(dirname(place.prefix)), before)
})

test('no action writes to the original', async (context) => {
  const place = await copiedWorld(context)
  const before = listing(place.prefix)
  const staged = await stageOf(place)
  await succeed(place, ['--pack', '--force', `--prefix=${place.prefix}`])
  await succeed(place, ['--verify', `--prefix=${staged}`])
  await succeed(place, ['--status', `--prefix=${place.prefix}`])
  await succeed(place, ['--unstage', `--prefix=${staged}`])
  assert.deepEqual(listing(place.prefix), before)
})

test('programs in the copy use only the copy, and run without the original', async (context) => {
  const place = await world(context, { byHand: true })
  const staged = await stageOf(place)
  execFileSync('mv', [place.prefix, `${place.prefix}-away`])
  const output = (program: string, ...args: string[]) =>
    execFileSync(`${staged}/bin/${program}`, args, { encoding: 'utf8' })
  assert.equal(output('greet', '--prefix'), `${staged}\n`)
  assert.equal(output('greet', '--library-prefix'), `${staged}\n`)
  assert.equal(output('by-hand'), `${staged}\nHello from the environment\n`)
  assert.equal(output('greet-script'), `script ${staged}/bin/greet-script\n`)
})

test('the copy is read-only unless --writable or CONDA_STAGE_WRITABLE says otherwise, and options win over the variable', async (context) => {
  const place = await copiedWorld(context)
  const writable = async (args: string[], value?: string) => {
    const staged = await stageOf(place, args, { env: { CONDA_STAGE_WRITABLE: value } })
    const modes = [staged, `${staged}/lib`, `${staged}/bin/greet`].map((path) => lstatSync(path).mode & 0o222)
    assert.ok(modes.every((mode) => mode === 0) || modes.every((mode) => mode & 0o200), String(modes))
    return modes[0] !== 0
  }
  const asked = [
    await writable([]),
    await writable(['--writable']),
    await writable([], 'true'),
    await writable([], 'false'),
  ]
  assert.deepEqual(asked, [false, true, true, false])
  assert.equal(await writable(['--read-only'], 'true'), false)
  assert.equal(await writable(['--writable'], 'false'), true)
})

test('a copy that was staged with --writable can be written to', async (context) => {
  const place = await copiedWorld(context)
  const { stdout, stderr } = await succeed(place, [...stageArgs(place), '--writable'])
  assert.doesNotMatch(stderr, /read-only/)
  writeFileSync(`${stdout.trimEnd()}/share/greet/new`, 'text')
})

test('--unstage --prefix=STAGED removes the copy and keeps the original and the archive', async (context) => {
  const place = await copiedWorld(context)
  const [first, second] = [await stageOf(place), await stageOf(place, ['--private'])]
  const { stdout, stderr } = await succeed(place, ['--unstage', `--prefix=${first}/`])
  assert.deepEqual([stdout, stderr], ['', `INFO: Removing all staged files: ${dirname(first)}\n`])
  assert.deepEqual([existsSync(dirname(first)), existsSync(second)], [false, true])
  assert.ok(existsSync(place.archive))
  const relative = `${second.slice(place.local.length + 1)}`
  await succeed(place, ['--unstage', `--prefix=${relative}`], { cwd: place.local })
  assert.deepEqual(readdirSync(place.local), [])
})

test('whoever is in the copy when it is removed is told where to go on, and nothing complains about the folder', async (context) => {
  const place = await copiedWorld(context)
  const copy = await stageOf(place)
  const { stderr } = await succeed(place, ['--unstage', `--prefix=${copy}`, '--quiet'], { cwd: `${copy}/share/greet` })
  const there = `${place.prefix}/share/greet`
  assert.equal(stderr, `WARNING: The current folder is in this copy, and goes with it. To go on: cd ${there}\n`)
})

test('a home and a cache folder that can not be made, as in /proc, hold nobody up: the copy is made without an archive', async (context) => {
  const place = await copiedWorld(context)
  const env = { HOME: '/proc/no/home', XDG_CACHE_HOME: '/proc/no/cache', XDG_STATE_HOME: '/proc/no/state' }
  // Only root can be kept from the original's own folder this way.
  const readOnly = `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"`
  const inside = [...MOUNTING, readOnly, 'sh', dirname(place.prefix)]
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`]
  const { stdout, stderr } = await succeed(place, args, { env, inside })
  assert.match(stdout, /conda-stage_/)
  assert.match(stderr, /WARNING: /)
})

test('--pack writes only the archive, and reports if there is an up-to-date one', async (context) => {
  const place = await copiedWorld(context)
  const pack = ['--pack', `--prefix=${place.prefix}`]
  const first = await succeed(place, pack)
  assert.match(first.stderr, new RegExp(`Packed ${place.prefix} into ${place.archive} \\(\\d+\\.\\d MB\\)\n$`))
  const before = listing(dirname(place.prefix))
  const second = await succeed(place, pack)
  assert.equal(second.stderr, `INFO: The archive is up to date: ${place.archive} (--force packs again)\n`)
  assert.deepEqual([first.stdout, second.stdout, readdirSync(place.local)], ['', '', []])
  assert.deepEqual(listing(dirname(place.prefix)), before)
})

test('--pack --force writes a new archive even if the old one is up to date', async (context) => {
  const place = await copiedWorld(context)
  const pack = ['--pack', `--prefix=${place.prefix}`]
  await succeed(place, pack)
  const before = statSync(place.archive).ino
  assert.match((await succeed(place, [...pack, '--force'])).stderr, /Packaging conda environment/)
  assert.notEqual(statSync(place.archive).ino, before)
})

test('plain tar reads archives of --format=tar.zst and --format=tar.gz', async (context) => {
  const place = await copiedWorld(context)
  const pack = ['--pack', `--prefix=${place.prefix}`]
  for (const format of ['tar.zst', 'tar.gz']) {
    await succeed(place, [...pack, `--format=${format}`, '--compress-level=1', '--threads=1'])
    const names = execFileSync('tar', ['-tf', `${place.prefix}.${format}`], { encoding: 'utf8' })
    assert.match(names, /^(\.\/)?bin\/greet$/m)
  }
  await succeed(place, [...stageArgs(place), '--format=tar.gz'])
})

test('--output names the archive to write and to stage from, relative to the current folder', async (context) => {
  const place = await copiedWorld(context)
  const args = [...stageArgs(place), '--output=my archive.tar.zst']
  assert.match(
    (await succeed(place, args, { cwd: place.root })).stderr,
    new RegExp(`Extracting ${place.root}/my archive.tar.zst`),
  )
  assert.doesNotMatch((await succeed(place, args, { cwd: place.root })).stderr, /Packaging/)
  assert.equal(existsSync(place.archive), false)
})

test('with --json every action prints exactly one JSON value on standard output', async (context) => {
  const place = await copiedWorld(context)
  const json = async (...args: string[]) => JSON.parse((await succeed(place, [...args, '--json'])).stdout)
  const { prefix, archive, local } = place
  const bytes = () => statSync(archive).size
  const packed = await json('--pack', `--prefix=${prefix}`)
  assert.deepEqual(packed, { prefix, archive, bytes: bytes(), fresh: false, warnings: [] })
  assert.equal((await json('--pack', `--prefix=${prefix}`)).fresh, true)
  const staged = await json(...stageArgs(place))
  const { original, folder, files } = staged
  assert.deepEqual([original, staged.archive, dirname(staged.prefix)], [prefix, archive, folder])
  assert.ok(folder.startsWith(local) && files > 10 && staged.bytes > 10_000)
  const verified = await json('--verify', `--prefix=${staged.prefix}`)
  assert.deepEqual([verified.prefix, verified.original], [staged.prefix, prefix])
  assert.ok(Array.isArray(verified.findings))
  const status = await json('--status', `--prefix=${staged.prefix}`, `--path=${local}`)
  assert.deepEqual([status.isStaged, status.original, status.archive.state], [true, prefix, 'fresh'])
  assert.deepEqual(await json('--unstage', `--prefix=${staged.prefix}`), { original: prefix, prefix: staged.prefix })
  assert.match((await json('--source=bash')).source, /conda-stage/)
  assert.match((await json('--help')).help, /^Usage/)
  assert.deepEqual(Object.keys(await json('--version')), ['conda-stage'])
})

test('--quiet shows nothing if all goes well, and --verbose and --debug show more than usual', async (context) => {
  const place = await copiedWorld(context)
  const args = [...stageArgs(place), '--private']
  assert.equal((await succeed(place, [...args, '--quiet'])).stderr, '')
  const verbose = /INFO: The archive .* is up to date \(quick check\)\n(.*\n)*INFO: The local folder is .* \(--path\)/
  assert.doesNotMatch((await succeed(place, args)).stderr, verbose)
  for (const option of ['--verbose', '--debug']) assert.match((await succeed(place, [...args, option])).stderr, verbose)
  const variable = async (name: string, value: string) =>
    (await succeed(place, args, { env: { [name]: value } })).stderr
  assert.match(await variable('CONDA_STAGE_VERBOSE', 'true'), verbose)
  assert.match(await variable('CONDA_STAGE_DEBUG', 'true'), verbose)
  assert.equal(await variable('CONDA_STAGE_VERBOSE', 'false'), '')
})

test('--debug shows the stack trace even of an expected error', async (context) => {
  const place = await copiedWorld(context)
  const { status, stderr } = await run(place, ['--debug', '--pack', '--prefix=/nowhere'])
  assert.equal(status, 1)
  assert.match(stderr, /ERROR: \/nowhere does not exist\n(.*\n)+ +at /)
})

test('--status shows what is active, staged and archived, and changes nothing', async (context) => {
  const place = await copiedWorld(context)
  const before = listing(place.root)
  const status = async (prefix: string | undefined, cwd = '/') =>
    (
      await succeed(
        place,
        ['--status', `--path=${place.local}`, ...(prefix === undefined ? [] : [`--prefix=${prefix}`])],
        { cwd },
      )
    ).stdout
  assert.match(
    await status(undefined),
    /^active environment: +none\nstaged: +no\nlocal folder: +\/.* \(from --path\)\nshell function: +not loaded\n\nconfiguration files:\n/,
  )
  assert.match(await status(place.prefix), new RegExp(`archive: +${place.archive} \\(missing\\)`))
  assert.deepEqual(listing(place.root), before)
  const staged = await stageOf(place)
  assert.match(
    await status(staged.slice(place.root.length + 1), place.root),
    new RegExp(`^active environment: +${staged}\nstaged: +yes, of ${place.prefix}\narchive: .*\\(fresh\\)`),
  )
  writeFileSync(`${place.prefix}/conda-meta/history`, '')
  assert.match(await status(place.prefix), /archive: .*\(out of date: conda-meta\/history has changed/)
  writeFileSync(place.archive, 'mine')
  assert.match(await status(place.prefix), /archive: .*\(missing\)/)
  execFileSync('mv', [place.prefix, `${place.prefix}-away`])
  assert.match(await status(staged), /staged: +yes.*\nproblem: +.* does not exist\n/)
})
