import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { copiedWorld, fails, listing, stageOf, succeed, type World } from '../cli/world.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'

const isRoot = process.getuid!() === 0
const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]
const pack = ({ prefix }: World) => ['--pack', `--prefix=${prefix}`]

/** Adds what a base environment has beside packages. */
function makeBase({ prefix }: World): void {
  writeFileSync(
    `${prefix}/conda-meta/conda-26.9.0-py312_0.json`,
    '{"name":"conda","version":"26.9.0","build":"py312_0","files":[]}',
  )
  for (const file of ['pkgs/cache/big', 'envs/other/conda-meta/history']) {
    mkdirSync(dirname(`${prefix}/${file}`), { recursive: true })
    writeFileSync(`${prefix}/${file}`, '')
  }
}

test('the base environment is refused, whether its folders or the session identify it', async (context) => {
  const place = await copiedWorld(context)
  const expected = {
    code: 'BASE_REFUSED',
    path: place.prefix,
    says: 'is a base environment',
    hint: 'CONDA_STAGE_ALLOW_BASE=true',
  } as const
  const session = { env: { CONDA_EXE: `${place.prefix}/bin/conda` } }
  await fails(place, stage(place), expected, session)
  makeBase(place)
  await fails(place, stage(place), expected)
  await fails(place, pack(place), expected)
  await fails(place, stage(place), expected, { env: { CONDA_STAGE_ALLOW_BASE: 'false' } })
})

test('with CONDA_STAGE_ALLOW_BASE the base environment is staged, without its package cache and its other environments', async (context) => {
  const place = await copiedWorld(context)
  makeBase(place)
  const staged = await stageOf(place, [], { env: { CONDA_STAGE_ALLOW_BASE: 'true' } })
  assert.deepEqual([existsSync(`${staged}/pkgs`), existsSync(`${staged}/envs`)], [false, false])
  assert.ok(existsSync(`${staged}/bin/greet`))
})

test('an ordinary environment with its own folders pkgs and envs is staged completely', async (context) => {
  const place = await copiedWorld(context)
  makeBase(place)
  rmSync(`${place.prefix}/conda-meta/conda-26.9.0-py312_0.json`)
  const staged = await stageOf(place)
  assert.ok(existsSync(`${staged}/pkgs/cache/big`) && existsSync(`${staged}/envs/other/conda-meta/history`))
})

test('if no environment is active, the message says to activate or to name one', async (context) => {
  const place = await copiedWorld(context)
  const expected = {
    code: 'NO_ENVIRONMENT',
    says: 'no environment is active',
    hint: /conda activate NAME.*--prefix=/,
  } as const
  await fails(place, ['--pack'], expected)
  await fails(place, ['--pack'], expected, { env: { CONDA_PREFIX: '' } })
  await fails(place, ['--verify'], { code: 'NO_ENVIRONMENT', says: 'No environment is active', hint: '--prefix=ENV' })
  await fails(place, ['--unstage'], { code: 'NOT_STAGED', says: 'no environment is active', hint: '--prefix=STAGED' })
})

test('a prefix that is no environment is reported as such', async (context) => {
  const place = await copiedWorld(context)
  const hint = /conda-meta folder.*path.*name with -n NAME/
  const of = (prefix: string) => [`--prefix=${prefix}`, `--path=${place.local}`]
  await fails(place, of('/usr'), { code: 'NOT_AN_ENVIRONMENT', path: '/usr', says: 'is no environment', hint })
  await fails(place, of('myjupyter'), { code: 'NOT_AN_ENVIRONMENT', path: '/myjupyter', says: 'does not exist', hint })
  const file = `${place.prefix}/bin/greet`
  await fails(place, of(file), { code: 'NOT_AN_ENVIRONMENT', path: file, hint })
  await fails(
    place,
    ['--pack'],
    { code: 'NOT_AN_ENVIRONMENT', path: '/gone', hint },
    { env: { CONDA_PREFIX: '/gone' } },
  )
})

test('staging a staged environment says so and succeeds, and packing it is an error', async (context) => {
  const place = await copiedWorld(context)
  const staged = await stageOf(place)
  const says = `${staged} is a staged copy of ${place.prefix}`
  const expected = { code: 'ALREADY_STAGED', path: staged, says, hint: 'conda-stage --unstage' } as const
  const again = await succeed(place, [`--prefix=${staged}`, `--path=${place.local}`])
  assert.equal(again.stdout, `${staged}\n`)
  assert.match(again.stderr, /INFO: Already staged: /)
  await fails(place, ['--pack'], expected, { env: { CONDA_PREFIX: staged } })
})

test('--unstage refuses a folder that is not a stage, and --verify one that is neither a stage nor an environment', async (context) => {
  const place = await copiedWorld(context)
  const mine = `${place.local}/conda-stage_mine/mine`
  mkdirSync(mine, { recursive: true })
  for (const path of [place.prefix, mine, '/nowhere']) {
    const says = 'is not a staged environment'
    await fails(place, ['--unstage', `--prefix=${path}`], { code: 'NOT_STAGED', path, says, hint: '--prefix=STAGED' })
    const code = path === place.prefix ? 'NO_ARCHIVE' : 'NOT_AN_ENVIRONMENT'
    await fails(place, ['--verify', `--prefix=${path}`], { code, path, hint: /--prefix=STAGED|conda-meta/ })
  }
})

test('an editable install whose source is outside the environment is staged with a warning', async (context) => {
  const place = await copiedWorld(context)
  const site = `${place.prefix}/lib/python3.12/site-packages`
  mkdirSync(`${site}/mine-1.0.dist-info`, { recursive: true })
  mkdirSync(`${place.root}/mine`)
  const url = { url: `file://${place.root}/mine`, dir_info: { editable: true } }
  writeFileSync(`${site}/mine-1.0.dist-info/direct_url.json`, JSON.stringify(url))
  const warning = `mine is installed from ${place.root}/mine, outside the environment`
  const { stderr, stdout } = await succeed(place, [...stage(place), '--json'])
  assert.ok(stderr.includes(`WARNING: ${warning}`), stderr)
  assert.match(JSON.parse(stdout).warnings[0], new RegExp(`^${warning}`))
  assert.ok((await succeed(place, [...pack(place), '--force', '--quiet'])).stderr.startsWith(`WARNING: ${warning}`))
})

test('a warning names files that conda installed and that are gone, unless --ignore-missing-files is given', async (context) => {
  const place = await copiedWorld(context)
  rmSync(`${place.prefix}/include/greet.h`)
  const { stderr } = await succeed(place, stage(place))
  assert.match(stderr, /^WARNING: A file that conda installed is gone .*: include\/greet\.h \(--ignore-missing-files/m)
  rmSync(`${place.prefix}/lib/libgreet.la`)
  assert.match((await succeed(place, [...pack(place), '--force'])).stderr, /2 files that conda installed are gone/)
  const ignored = await succeed(place, [...pack(place), '--force', '--ignore-missing-files'])
  assert.doesNotMatch(ignored.stderr, /WARNING/)
})

test('an unreadable file stops the packing, and the message names it', async (context) => {
  const place = await copiedWorld(context)
  const secret = `${place.prefix}/share/greet/greeting.txt`
  chmodSync(secret, 0)
  const expected = { code: 'UNREADABLE', path: secret, says: "can't be read: ", hint: /owner/ } as const
  await fails(place, stage(place), expected, { inside: UNPRIVILEGED })
  await fails(place, [...pack(place), '--force'], expected, { inside: UNPRIVILEGED })
})

test('an unreadable folder stops the packing, and the message names it', async (context) => {
  const place = await copiedWorld(context)
  const secret = `${place.prefix}/share/greet`
  chmodSync(secret, 0)
  await fails(place, stage(place), { code: 'UNREADABLE', path: secret, hint: /owner/ }, { inside: UNPRIVILEGED })
})

test('FIFOs, devices and deep JSON among records, .pth files, scripts and lists of environments hold nothing up, and are named', async (context) => {
  const place = await copiedWorld(context)
  const { prefix } = place
  const home = place.env.HOME!
  const site = `${prefix}/lib/python3.12/site-packages`
  for (const folder of [
    `${site}/a-1.dist-info`,
    `${prefix}/etc/conda/activate.d`,
    `${prefix}/etc/conda/env_vars.d`,
    `${home}/.conda`,
  ])
    mkdirSync(folder, { recursive: true })
  const fifos = [
    'conda-meta/a-1-0.json',
    'conda-meta/state',
    'etc/conda/activate.d/a.sh',
    'etc/conda/env_vars.d/a.json',
    'bin/fifo',
  ]
  execFileSync('mkfifo', [...fifos.map((path) => `${prefix}/${path}`), `${site}/a.pth`, `${home}/.condarc`])
  execFileSync('mkfifo', [`${home}/.conda/environments.txt`, `${home}/.mambarc`])
  for (const path of [
    `${prefix}/conda-meta/zero-1-0.json`,
    `${site}/zero.pth`,
    `${site}/zero.egg-link`,
    `${site}/a-1.dist-info/direct_url.json`,
  ])
    symlinkSync('/dev/zero', path)
  writeFileSync(`${prefix}/conda-meta/deep-1-0.json`, `{"files":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
  const { stdout, stderr } = await succeed(place, stage(place))
  for (const named of [
    'conda-meta/a-1-0.json',
    'conda-meta/zero-1-0.json',
    'conda-meta/deep-1-0.json',
    'bin/fifo',
    'a.pth',
  ])
    assert.match(stderr, new RegExp(`^WARNING: .*${named} `, 'm'))
  assert.equal((await succeed(place, ['--verify', `--prefix=${stdout.trimEnd()}`])).status, 0)
  assert.match((await succeed(place, ['--status'])).stdout, /copies on this node/)
  await fails(place, ['--name=nobody'], {
    code: 'NO_ENVIRONMENT',
    says: 'no environment named nobody',
    hint: /--prefix/,
  })
})

test("an environment in a read-only folder is staged: its archive goes to the user's cache folder", async (context) => {
  const place = await copiedWorld(context)
  const folder = dirname(place.prefix)
  chmodSync(folder, 0o555)
  const before = listing(folder)
  const { stderr } = await succeed(place, stage(place), { inside: UNPRIVILEGED })
  const cached = `${place.root}/cache/conda-stage`
  assert.match(
    stderr,
    new RegExp(
      `INFO: The archive goes to ${cached}/myjupyter-[0-9a-f]{12}\\.tar\\.zst: .*${place.archive} can't be written: permission denied`,
    ),
  )
  assert.match(readdirSync(cached).join(), /^myjupyter-[0-9a-f]{12}\.tar\.zst$/)
  const second = await succeed(place, [...stage(place), '--private'], { inside: UNPRIVILEGED })
  assert.match(second.stderr, new RegExp(`Extracting ${cached}/`))
  assert.doesNotMatch(second.stderr, /Packaging/)
  assert.deepEqual(listing(folder), before)
  chmodSync(folder, 0o755)
})

test('an environment of another user is staged, and the copy belongs to the user who stages it', {
  skip: !isRoot && 'needs root, to give files away',
}, async (context) => {
  const place = await copiedWorld(context)
  for (const path of [...listing(place.prefix).keys(), place.prefix])
    if (!statSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) chownSync(path, 65533, 65533)
  const staged = await stageOf(place)
  assert.deepEqual([statSync(staged).uid, statSync(`${staged}/bin/greet`).uid], [0, 0])
})
