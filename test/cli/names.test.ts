import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { verify } from '../../src/index.ts'
import { fails, listing, type RunOptions, stageOf, succeed, type World, world } from './world.ts'

const greet = (prefix: string, ...args: string[]) => execFileSync(`${prefix}/bin/greet`, args, { encoding: 'utf8' })

/** What conda-stage adds to a writable copy. */
const OWN = /\/etc\/conda\/(de)?activate\.d(\/(conda-stage-envs|000\.conda-stage-leave)\.\w+)?$/

/** Stages, runs, verifies and unstages. The copy's programs must know the copy's path. */
async function roundTrip(place: World, options: RunOptions = {}): Promise<void> {
  const staged = await stageOf(place, [], options)
  assert.equal(basename(staged), place.name)
  assert.equal(greet(staged, '--prefix'), `${staged}\n`)
  assert.equal(readFileSync(`${staged}/share/greet/read-only.txt`, 'utf8'), `installed in ${staged}\n`)
  assert.deepEqual((await verify({ prefix: staged })).findings, [])
  await succeed(place, ['--unstage', `--prefix=${staged}`])
  assert.deepEqual(readdirSync(place.local), [])
}

const NAMES: [string, string][] = [
  ['spaces', 'my  env '],
  ['quotes', `it's "my" \`env\``],
  ['dollars', '$HOME $(touch x) $$'],
  ['a newline', 'two\nlines'],
  ['UTF-8', 'umgebung-für-größe-日本-🐍'],
  ['a leading dash', '-rf'],
  ['what means something to the shell', 'a;b&c|d>e*?[f]#!~%\\'],
  ['200 characters', 'n'.repeat(200)],
  ['a leading dot', '.env'],
]

for (const [what, name] of NAMES) {
  test(`an environment whose name and path hold ${what} is staged`, async (context) => {
    const above = name.length < 100 ? `envs of ${name}` : 'environments of me'
    const place = await world(context, { at: `home/me/${above}/${name}` })
    await roundTrip(place)
    assert.ok(existsSync(place.archive))
  })
}

test('an environment with the longest possible archive name is packed, even on a node with a long name', async (context) => {
  const place = await world(context)
  for (const name of ['n'.repeat(241), 'ü'.repeat(120)]) {
    const prefix = `${place.root}/home/${name}`
    execFileSync('cp', ['-a', place.prefix, prefix])
    const inside = ['unshare', '-ru', 'sh', '-ec', 'hostname "$(printf %063d 0)"; exec "$@"', 'sh']
    const { stderr } = await succeed(place, ['--pack', `--prefix=${prefix}`], { inside })
    assert.match(stderr, new RegExp(`into ${prefix}.tar.zst`))
    assert.deepEqual(readdirSync(`${place.root}/home`).sort(), ['me', name, `${name}.tar.zst`].sort())
    execFileSync('rm', ['-r', prefix, `${prefix}.tar.zst`])
  }
})

test('a local folder whose name has spaces, quotes and newlines is used', async (context) => {
  const place = await world(context)
  place.local = `${place.root}/-l $x\n'"ü`
  mkdirSync(place.local)
  await roundTrip(place)
})

test('--prefix, --path and --output may be relative and begin with a dash', async (context) => {
  const place = await world(context, { at: '-env' })
  mkdirSync(`${place.root}/-local`)
  const args = ['--prefix=-env', '--path=-local', '--output=-archive']
  const { stdout } = await succeed(place, args, { cwd: place.root })
  assert.ok(stdout.startsWith(`${place.root}/-local/conda-stage_`))
  assert.ok(existsSync(`${place.root}/-archive`))
  const below = await succeed(place, ['--prefix=../-env/', '--path=.'], { cwd: place.local })
  assert.ok(below.stdout.startsWith(`${place.local}/conda-stage_`))
})

test('if the home folder is a symbolic link, the logical and the real prefix are both relocated', async (context) => {
  const place = await world(context, { at: 'data/users/me/envs/myjupyter' })
  const real = place.prefix
  symlinkSync('data/users', `${place.root}/people`)
  const logical = `${place.root}/people/me/envs/myjupyter`
  writeFileSync(`${real}/etc/both`, `${logical}/lib:${real}/lib\n`)
  for (const prefix of [logical, real]) {
    const staged = await stageOf({ ...place, prefix }, ['--force'])
    if (prefix === logical) assert.equal(readFileSync(`${staged}/etc/both`, 'utf8'), `${staged}/lib:${staged}/lib\n`)
    assert.equal(greet(staged, '--prefix'), `${staged}\n`)
    await succeed(place, ['--verify', `--prefix=${staged}`])
  }
})

test('an environment that is reached by several paths has a single archive', async (context) => {
  const place = await world(context, { at: 'data/users/me/envs/myjupyter' })
  symlinkSync('data/users', `${place.root}/people`)
  await stageOf({ ...place, prefix: `${place.root}/people/me/envs/myjupyter` })
  const { stderr } = await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  assert.match(stderr, /up to date/)
})

test('an environment that is itself a symbolic link is staged', async (context) => {
  const place = await world(context, { at: 'data/environments/of/the/group/myjupyter-1' })
  const link = `${place.root}/home/me/myjupyter`
  symlinkSync(place.prefix, link)
  const staged = await stageOf({ ...place, prefix: link })
  assert.equal(basename(staged), 'myjupyter')
  assert.equal(greet(staged, '--prefix'), `${staged}\n`)
  assert.ok(existsSync(`${link}.tar.zst`))
})

test('the copy keeps hard links, dangling, cyclic and absolute symbolic links, modes and times', async (context) => {
  const place = await world(context, { byHand: true })
  const staged = await stageOf(place, ['--writable'])
  const facts = (root: string) =>
    [...listing(root).keys()]
      .filter((path) => !OWN.test(path))
      .map((path) => {
        const { mode, nlink, mtimeNs } = lstatSync(path, { bigint: true })
        const link = lstatSync(path).isSymbolicLink()
        const target = link ? readlinkSync(path).replace(root, 'PREFIX') : lstatSync(path).isFile() && nlink
        return [path.slice(root.length), mode, mtimeNs / 1000n, target].join(' ')
      })
  assert.deepEqual(facts(staged), facts(place.prefix))
  const [one, two] = ['pair-1', 'pair-2'].map((name) => statSync(`${staged}/share/by-hand/${name}`).ino)
  assert.equal(one, two)
  assert.equal(readlinkSync(`${staged}/share/by-hand/absolute`), `${staged}/lib/libgreet.so.1`)
  assert.equal(readlinkSync(`${staged}/share/by-hand/outside`), '/usr/bin/env')
})

test('a file is staged whatever bytes its name has', async (context) => {
  const place = await world(context)
  const name = Buffer.concat([Buffer.from(`${place.prefix}/share/`), Buffer.from([0xff, 0x0a, 0x20, 0xe9])])
  writeFileSync(name, place.prefix)
  const staged = await stageOf(place)
  const copy = Buffer.concat([Buffer.from(`${staged}/share/`), name.subarray(`${place.prefix}/share/`.length)])
  assert.equal(readFileSync(copy, 'utf8'), staged)
})

test('an environment without any packages is staged', async (context) => {
  const place = await world(context)
  place.prefix = `${place.root}/home/me/miniconda3/envs/empty`
  mkdirSync(`${place.prefix}/conda-meta`, { recursive: true })
  appendFileSync(`${place.prefix}/conda-meta/history`, '')
  const staged = await stageOf(place)
  assert.deepEqual(readdirSync(staged), ['conda-meta', 'etc'])
})

test('an environment with the name of a file that a stage keeps for itself is refused before anything is packed', async (context) => {
  const place = await world(context, { at: 'home/me/envs/stage.json' })
  const path = `${place.root}/new`
  await fails(place, [`--prefix=${place.prefix}`, `--path=${path}`], {
    code: 'TARGET_UNSAFE',
    says: 'stage.json',
    hint: 'Rename',
  })
  assert.deepEqual([existsSync(path), readdirSync(dirname(place.prefix))], [false, ['stage.json']])
})
