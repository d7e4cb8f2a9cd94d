/** Names need not be UTF-8: inside an environment any bytes do, and a path that Node can't have is refused by name. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { stateOf } from '../end-to-end/tree.ts'
import { assertWhole, makeOriginal } from '../faults/kills/original.ts'
import { type RunOptions, run, succeed, temporaryFolder, type World } from './world.ts'

const BYTES = Buffer.from([0xe9, 0xff])
/** In words for the shell; $B are the bytes. */
const asBytes = (words: string): RunOptions => ({
  inside: ['sh', '-c', `B=$(printf '\\351\\377'); exec "$@" ${words}`, 'sh'],
})

function oddWorld(context: TestContext): World {
  const root = temporaryFolder(context)
  const prefix = `${root}/home/me/miniconda3/envs/my`
  makeOriginal(prefix)
  const at = (path: string) => Buffer.concat([Buffer.from(`${prefix}/lib/${path}`), BYTES])
  mkdirSync(at('folder-'))
  writeFileSync(Buffer.concat([at('folder-'), Buffer.from('/file-'), BYTES]), `in ${prefix}/lib\n`)
  writeFileSync(at('file-'), `in ${prefix}/lib\n`)
  linkSync(at('file-'), at('further-'))
  symlinkSync(Buffer.concat([Buffer.from('folder-'), BYTES]), at('link-'))
  symlinkSync(at('folder-'), `${prefix}/lib/into`)
  symlinkSync(Buffer.concat([Buffer.from('/nowhere-'), BYTES]), `${prefix}/lib/out`)
  mkdirSync(`${root}/local`)
  const env = { HOME: `${root}/home/me`, XDG_CACHE_HOME: `${root}/cache`, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
  return { root, prefix, name: 'my', archive: `${prefix}.tar.zst`, local: `${root}/local`, env }
}

const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]

test('files, folders and links whose names are not UTF-8 are packed, staged, shared, verified, listed and removed', async (context) => {
  const place = oddWorld(context)
  const before = stateOf(place.prefix)
  for (const isFirst of [true, false]) {
    const { stdout, stderr } = await succeed(place, stage(place))
    assert.equal(/Packaging/.test(stderr), isFirst, stderr)
    assert.doesNotMatch(stderr, /WARNING/)
    const prefix = stdout.trimEnd()
    assertWhole(place.prefix, prefix)
    assert.match((await succeed(place, stage(place))).stderr, /already staged/)
    const { stages } = JSON.parse((await succeed(place, ['--list', '--json', `--path=${place.local}`])).stdout)
    assert.deepEqual([stages.length, stages[0].prefix], [1, prefix])
    for (const each of [prefix, place.prefix]) await succeed(place, ['--verify', `--prefix=${each}`])
    await succeed(place, ['--unstage', '--force', `--prefix=${prefix}`])
    await succeed(place, ['--clean', '--all', '--force', `--path=${place.local}`])
    assert.deepEqual(readdirSync(place.local), [])
  }
  assert.deepEqual(stateOf(place.prefix), before)
})

test('what --verify finds in a file whose name is not UTF-8 is shown with its bytes', async (context) => {
  const place = oddWorld(context)
  const prefix = (await succeed(place, stage(place))).stdout.trimEnd()
  execFileSync('sh', ['-c', 'for f in "$1"/lib/file-*; do chmod u+w "$f"; echo x >> "$f"; done', 'sh', prefix])
  const { status, stdout } = await run(place, ['--verify', `--prefix=${prefix}`])
  assert.equal(status, 1)
  assert.match(stdout, /lib\/file-\\xe9\\xff: has other bytes than the archive/)
})

test('a local folder, an environment or an archive whose path is not UTF-8 is refused by name, and nothing is made there', async (context) => {
  const place = oddWorld(context)
  const { root, prefix, local } = place
  execFileSync('sh', [
    '-c',
    `cd "$1"; B=$(printf '\\351\\377'); mkdir "odd$B"; cp -a home/me/miniconda3/envs/my "my$B"; ln -s "odd$B" link`,
    'sh',
    root,
  ])
  const names = () => [...stateOf(root).keys()]
  const before = names()
  const shown = 'odd\uFFFD\uFFFD'
  for (const [words, says] of [
    [`--prefix=${prefix} --path=${root}/odd$B`, `${root}/${shown} (from --path) is not valid UTF-8`],
    [`--prefix=${prefix} --path=${root}/link`, `${root}/link (from --path) is not valid UTF-8: ${root}/${shown}`],
    [`--prefix=${root}/my$B --path=${local}`, "the environment's path is not valid UTF-8"],
    [`--verify --prefix=${root}/my$B`, "the environment's path is not valid UTF-8"],
    [`--unstage --prefix=${root}/odd$B`, `${root}/${shown} is not a staged environment`],
    [`--list --json --path=${root}/odd$B`, `${root}/${shown} (from --path) is not valid UTF-8`],
    [`--pack --prefix=${prefix} --output=${root}/odd$B.tar.zst`, "can't be written: its path is not valid UTF-8"],
    [`--pack --prefix=${prefix} --output=${root}/odd$B/a.tar.zst`, "can't be written: its path is not valid UTF-8"],
  ] as const) {
    const { status, stderr } = await run(place, [], asBytes(words))
    assert.equal(status, 1, stderr)
    assert.ok(stderr.includes(says), stderr)
    assert.doesNotMatch(stderr, /bug|\n {4}at /)
    assert.deepEqual(names(), before)
  }
})

test('an environment that a link leads to is staged by the name of the link, if its own path is not UTF-8, and a warning says what stays', async (context) => {
  const place = oddWorld(context)
  const link = `${place.root}/home/me/link`
  execFileSync('sh', [
    '-c',
    `mv "$1" "$1$(printf '\\351')"; ln -s "$1$(printf '\\351')" "$2"`,
    'sh',
    place.prefix,
    link,
  ])
  writeFileSync(`${link}/lib/named`, `${link}/lib\n`)
  const { stdout, stderr } = await succeed(place, stage({ ...place, prefix: link }))
  assert.match(stderr, /WARNING: \S+\/link leads to a path that is not valid UTF-8/)
  const prefix = stdout.trimEnd()
  assert.equal(execFileSync('cat', [`${prefix}/lib/named`], { encoding: 'utf8' }), `${prefix}/lib\n`)
  assert.match((await succeed(place, stage({ ...place, prefix: link }))).stderr, /already staged/)
})
