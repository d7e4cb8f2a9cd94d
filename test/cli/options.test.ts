import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type RunOptions, run, succeed, temporaryFolder, type World, world } from './world.ts'

/** A world for calls that need no environment. */
const nowhere = (context: TestContext): World => {
  const root = temporaryFolder(context)
  return { root, prefix: '', name: '', archive: '', local: '', env: { HOME: root, PATH: '/usr/bin:/bin' } }
}

async function usage(place: World, args: string[], says: RegExp, options: RunOptions = {}): Promise<void> {
  const { status, stdout, stderr } = await run(place, args, options)
  assert.deepEqual([status, stdout], [2, ''], `${args.join(' ')}: ${stderr}`)
  assert.match(stderr, says)
  assert.match(stderr, /\n {7}.*conda-stage --help/)
}

test('--help lists every action, option and variable, on standard output', async (context) => {
  const { stdout, stderr } = await succeed(nowhere(context), ['--help'])
  assert.equal(stderr, '')
  const words = `--stage --unstage --pack --verify --source --completion --status --version --help --force --path --prefix --writable
    --read-only --quiet --verbose --debug --json --format --ignore-missing-files --compress-level --threads --output --check
    --activator --full CONDA_STAGE=false CONDA_STAGE_PATH CONDA_STAGE_WRITABLE CONDA_STAGE_VERBOSE CONDA_STAGE_DEBUG
    CONDA_STAGE_ALLOW_BASE CONDA_STAGE_NODE CONDA_STAGE_POOL CONDA_STAGE_PRIVATE NO_COLOR CONDA_STAGE_PROLOGUE`
  for (const word of words.split(/\s+/)) assert.match(stdout, new RegExp(`^ +(-\\w, )?${word}\\b`, 'm'))
  assert.ok(stdout.split('\n').every((line) => line.length <= 120))
})

test('--help is shown whatever other arguments and variables say', async (context) => {
  const place = nowhere(context)
  assert.match((await succeed(place, ['--pack', '--help'])).stdout, /^Usage: conda-stage/)
  assert.match((await succeed(place, ['--help'], { env: { CONDA_STAGE_DEBUG: 'maybe' } })).stdout, /^Usage:/)
})

test('an unknown option, action or argument is wrong usage, and the message names it', async (context) => {
  const place = nowhere(context)
  await usage(place, ['--bogus'], /^ERROR: unknown option '--bogus'/)
  await usage(place, ['constructor'], /^ERROR: unknown argument 'constructor'\n/)
  await usage(place, ['run'], /did you mean '--exec'/)
  await usage(place, ['--unstgae'], /'--unstgae'.*\n?.*--unstage/)
  await usage(place, ['myjupyter'], /^ERROR: .*(myjupyter|too many arguments)/)
  await usage(place, ['--', '--stage'], /^ERROR: /)
})

test('a word without dashes, or an option of another program, gets a suggestion', async (context) => {
  const place = nowhere(context)
  for (const [word, meant] of [
    ['verify', '--verify'],
    ['list', '--list'],
    ['ls', '--list'],
    ['help', '--help'],
    ['Stage', '--stage'],
    ['unstgae', '--unstage'],
    ['status', '--status'],
    ['version', '--version'],
    ['deactivate', '--unstage'],
    ['quiet', '--quiet'],
    ['prefix=/env', '--prefix'],
    ['auto-stage', '--auto-stage'],
  ] as const)
    await usage(place, [word], new RegExp(`^ERROR: unknown argument '${word}'; did you mean '${meant}'\\?\n`))
  await usage(place, ['unstage', '--force'], /unknown argument 'unstage'; did you mean '--unstage'/)
  await usage(place, ['--show'], /^ERROR: unknown option '--show'; did you mean '--status'\?/)
  await usage(place, ['-verify'], /did you mean '--verify'/)
  await usage(place, ['myjupyter'], /^ERROR: unknown argument 'myjupyter'\n/)
})

test('-h and -V are short for --help and --version', async (context) => {
  const place = nowhere(context)
  for (const [short, long] of [
    ['-h', '--help'],
    ['-V', '--version'],
  ] as const)
    assert.equal((await succeed(place, [short])).stdout, (await succeed(place, [long])).stdout)
})

test('two actions in one call, and options that contradict each other, are wrong usage', async (context) => {
  const place = nowhere(context)
  await usage(place, ['--pack', '--unstage'], /^ERROR: --unstage and --pack can't be combined/)
  await usage(place, ['--writable', '--read-only'], /--writable.*--read-only/)
  await usage(place, ['--quiet', '--verbose'], /--quiet.*--verbose/)
  await usage(place, ['--quiet', '--debug'], /--quiet.*--debug/)
  await usage(place, ['--full'], /--full.*--version/)
})

test('a wrong value of an option is wrong usage, and the message lists the right ones', async (context) => {
  const place = nowhere(context)
  await usage(place, ['--format=rar'], /--format.*tar\.zst, tar\.gz, tar, zip/)
  await usage(place, ['--check=some'], /--check.*quick, full/)
  await usage(place, ['--activator=me'], /--activator.*own, conda/)
  await usage(place, ['--source=tcl'], /--source.*bash/)
  await usage(place, ['--threads=0'], /--threads.*whole number/)
  await usage(place, ['--threads=2.5'], /--threads.*whole number/)
  await usage(place, ['--compress-level=x'], /--compress-level.*whole number/)
  await usage(place, ['--compress-level=20'], /tar\.zst takes 0 to 19/)
  await usage(place, ['--compress-level=10', '--format=tar.gz'], /tar\.gz takes 0 to 9/)
  await usage(place, ['--path'], /--path/)
})

test('an empty path, as from an unset variable, is wrong usage and never means the current folder', async (context) => {
  const place = nowhere(context)
  for (const action of ['--stage', '--pack', '--unstage', '--verify', '--status'])
    await usage(place, [action, '--prefix='], /--prefix is empty/)
  await usage(place, ['--prefix=/', '--path='], /--path is empty/)
  await usage(place, ['--prefix=/', '--output='], /--output is empty/)
})

test('--version prints nothing but the version', async (context) => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
  const place = nowhere(context)
  assert.deepEqual(await run(place, ['--version']), { status: 0, stdout: `${version}\n`, stderr: '' })
  assert.deepEqual(JSON.parse((await succeed(place, ['--version', '--json'])).stdout), { 'conda-stage': version })
})

test('--version --full also prints the versions of everything that the program runs on', async (context) => {
  const place = nowhere(context)
  const full = (await succeed(place, ['--version', '--full'])).stdout
  for (const what of ['conda-stage', 'archive format', 'node', 'zstd', 'kernel', 'glibc', 'platform', 'shell', 'conda'])
    assert.match(full, new RegExp(`^${what}: .+$`, 'm'))
  const json = JSON.parse((await succeed(place, ['--version', '--full', '--json'])).stdout)
  assert.deepEqual(
    Object.keys(json),
    full
      .trimEnd()
      .split('\n')
      .map((line) => line.split(': ')[0]),
  )
})

test('without the shell function and without --prefix nothing is staged, and the message says how to load the function', async (context) => {
  const { status, stdout, stderr } = await run(nowhere(context), [], { env: { CONDA_PREFIX: '/nowhere' } })
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^ERROR: .*shell function.*\n.*eval "\$\(conda-stage --source\)"/)
})

test('variables accept the usual spellings of true and false, and anything else is wrong usage', async (context) => {
  const place = nowhere(context)
  const names = [
    'CONDA_STAGE',
    'CONDA_STAGE_WRITABLE',
    'CONDA_STAGE_VERBOSE',
    'CONDA_STAGE_DEBUG',
    'CONDA_STAGE_ALLOW_BASE',
  ]
  for (const name of names) {
    const says = new RegExp(`^ERROR: The variable ${name} is 'maybe'; it takes true or false\n`)
    await usage(place, ['--pack', '--prefix=/nowhere'], says, { env: { [name]: 'maybe' } })
  }
  for (const value of ['false', 'FALSE', '0', 'no', 'off']) await succeed(place, [], { env: { CONDA_STAGE: value } })
})

test('with CONDA_STAGE=false nothing is staged or packed, the program succeeds, and --prefix is answered with the original', async (context) => {
  const place = nowhere(context)
  const off = { env: { CONDA_STAGE: 'false' }, cwd: '/usr' }
  for (const action of ['--stage', '--unstage', '--pack']) {
    const { stdout, stderr } = await succeed(place, [action], off)
    assert.deepEqual([stdout, stderr], ['', 'INFO: CONDA_STAGE=false: nothing was done\n'])
  }
  assert.equal((await succeed(place, ['--prefix=/some/env'], off)).stdout, '/some/env\n')
  assert.equal((await succeed(place, ['--prefix=env'], off)).stdout, '/usr/env\n')
  const json = JSON.parse((await succeed(place, ['--prefix=env', '--json'], off)).stdout)
  assert.deepEqual(json, { skipped: true, original: '/usr/env', prefix: '/usr/env' })
  assert.deepEqual(JSON.parse((await succeed(place, ['--pack', '--json'], off)).stdout), { skipped: true })
})

test('CONDA_STAGE_PATH names the local folder, and --path overrides it', async (context) => {
  const place = await world(context)
  const env = { CONDA_STAGE_PATH: place.local }
  const { stdout } = await succeed(place, [`--prefix=${place.prefix}`], { env })
  assert.ok(stdout.startsWith(`${place.local}/conda-stage_`))
  const other = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.root}/other`], { env })
  assert.ok(other.stdout.startsWith(`${place.root}/other/conda-stage_`))
})

test('--source=SHELL prints the function for that shell and nothing else', async (context) => {
  const place = nowhere(context)
  for (const shell of ['bash', 'zsh', 'sh']) {
    const { stdout, stderr } = await succeed(place, [`--source=${shell}`])
    assert.match(stdout, /conda-stage/)
    assert.equal(stderr, '')
  }
})

test('--source accepts other POSIX shells, paths of shells and names of login shells', async (context) => {
  const place = nowhere(context)
  const source = async (shell: string) => (await succeed(place, [`--source=${shell}`])).stdout
  const [sh, bash] = [await source('sh'), await source('bash')]
  for (const shell of ['dash', 'ksh', 'ash', 'mksh', '/bin/dash']) assert.equal(await source(shell), sh, shell)
  for (const shell of ['/usr/bin/bash', '-bash']) assert.equal(await source(shell), bash, shell)
  assert.notEqual(sh, bash)
})
