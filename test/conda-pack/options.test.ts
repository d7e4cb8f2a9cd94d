/** Options of --pack that conda-pack's users know, compared with conda-pack itself where it defines them. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { readIndex } from '../../src/archive/reader.ts'
import { filterEntries } from '../../src/conda-pack/filter.ts'
import type { Listed } from '../../src/model/listed.ts'
import { fails, run, succeed, type World, world } from '../cli/world.ts'
import { condaPack } from './conda-pack.ts'
import { end, output, tree, unpack } from './support.ts'

async function pack(place: World, name: string, ...args: string[]): Promise<string> {
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${place.root}/${name}`, ...args])
  return `${place.root}/${name}`
}

const members = async (file: string): Promise<string[]> =>
  (await output('tar', ['-tf', file]))
    .trimEnd()
    .split('\n')
    .map((name) => name.replace(/^\.\//, ''))

const FILTERS: readonly string[][] = [
  ['--exclude=*.pc'],
  ['--exclude=bin/*', '--include=bin/greet'],
  ['--include=bin/greet', '--exclude=bin/*'],
  ['--exclude=*', '--include=[a-eg-z]*/greet*', '--include=conda-meta/*'],
  ['--exclude=lib/[!p]*', '--exclude=share/??eet/*'],
]

test('--exclude and --include select the same files as with conda-pack, in the order given', async (context) => {
  const place = await world(context)
  const own =
    /^bin\/(activate|activate\.fish|deactivate|conda-unpack|conda_unpack_progress\.py)$|^conda-meta\/conda-stage-prefixes$/
  const files = (names: string[]) =>
    names.filter((name) => name !== '' && !name.endsWith('/') && !own.test(name)).sort()
  for (const [at, filters] of FILTERS.entries()) {
    await condaPack(place.prefix, `${place.root}/theirs${at}.tar`, ...filters)
    const ours = await pack(place, `ours${at}.tar`, ...filters)
    assert.deepEqual(files(await members(ours)), files(await members(`${place.root}/theirs${at}.tar`)), `${filters}`)
  }
})

test('a folder that loses all its files to --exclude is left out, but an empty folder stays', () => {
  const common = { mode: 0o755, mtimeNs: 0n }
  const entries: Listed[] = [
    { type: 'directory', path: '', ...common },
    { type: 'directory', path: 'a', ...common },
    { type: 'directory', path: 'a/deep', ...common },
    { type: 'file', path: 'a/deep/file' },
    { type: 'directory', path: 'empty', ...common },
    { type: 'symlink', path: 'kept' },
  ]
  const left = filterEntries(entries, [{ kind: 'exclude', pattern: 'a/*' }])
  assert.deepEqual(
    left.map(({ path }) => path),
    ['', 'empty', 'kept'],
  )
  assert.deepEqual(filterEntries(entries, []), entries)
})

test('--arcroot puts the environment into a folder of the archive, where it works', async (context) => {
  const place = await world(context, { byHand: true })
  for (const name of ['a.tar.gz', 'a.zip'] as const) {
    const file = await pack(place, name, '--arcroot=/some/folder/')
    const into = `${place.root}/x-${name}`
    await unpack(file, name === 'a.zip' ? 'zip' : 'tar.gz', into)
    renameSync(place.prefix, `${place.prefix}.away`)
    await output(`${into}/some/folder/bin/conda-unpack`, [])
    assert.equal(await output(`${into}/some/folder/bin/greet`, ['--prefix']), `${into}/some/folder\n`)
    assert.equal(readFileSync(`${into}/some/folder/share/by-hand/pair-2`, 'utf8'), `${into}/some/folder\n`)
    renameSync(`${place.prefix}.away`, place.prefix)
  }
})

test('--dest-prefix packs the same files as conda-pack for that place, without conda-unpack', async (context) => {
  const place = await world(context)
  for (const dest of [`${place.root}/srv`, `${place.root}/a much longer place/than the original has/env`]) {
    const args = [`--dest-prefix=${dest}`]
    await unpack(await pack(place, 'ours.tar', '--force', ...args), 'tar', dest)
    await condaPack(place.prefix, `${place.root}/theirs.tar`, '--force', ...args)
    await unpack(`${place.root}/theirs.tar`, 'tar', `${place.root}/theirs`)
    renameSync(place.prefix, `${place.prefix}.away`)
    for (const library of ['--prefix', '--library-prefix'])
      assert.equal(await output(`${dest}/bin/greet`, [library]), `${dest}\n`)
    renameSync(`${place.prefix}.away`, place.prefix)
    const [ours, theirs] = [tree(dest), tree(`${place.root}/theirs`)]
    assert.ok(!ours.has('bin/conda-unpack') && ours.has('bin/activate'))
    const bytes = (facts: string | undefined) => facts?.split(' ').at(-1)
    // conda-pack lets env find the interpreter, which takes an active environment.
    const known = /^bin\/(activate|deactivate|greet-script)|^conda-meta\//
    for (const [path, facts] of theirs)
      if (!known.test(path) && !facts.endsWith('folder')) assert.equal(bytes(ours.get(path)), bytes(facts), path)
    await output('rm', ['-r', `${place.root}/theirs`])
  }
})

test('packages with their sources elsewhere cause a warning, unless --ignore-editable-packages is given', async (context) => {
  const place = await world(context)
  const info = `${place.prefix}/lib/python3.11/site-packages/mine-1.0.dist-info`
  mkdirSync(info, { recursive: true })
  writeFileSync(`${info}/direct_url.json`, '{"url": "file:///sources/mine", "dir_info": {"editable": true}}')
  const args = ['--pack', '--force', `--prefix=${place.prefix}`]
  assert.match((await succeed(place, args)).stderr, /WARNING: mine is installed from \/sources\/mine/)
  assert.doesNotMatch((await succeed(place, [...args, '--ignore-editable-packages'])).stderr, /WARNING/)
})

test('--n-threads and -j mean --threads, and -1 means all CPUs', async (context) => {
  const place = await world(context)
  for (const option of [['--n-threads=1'], ['-j', '2'], ['--n-threads=-1']])
    await pack(place, 'a.tar', '--force', ...option)
  const both = await run(place, ['--pack', '--n-threads=1', '--threads=1'])
  assert.deepEqual([both.status, /--n-threads.*--threads/.test(both.stderr)], [2, true])
  assert.equal((await run(place, ['--pack', '--n-threads=0'])).status, 2)
})

test('without --format, the ending of --output decides the format', async (context) => {
  const place = await world(context)
  const names = {
    'a.zip': 'zip',
    'a.tgz': 'tar.gz',
    'a.tar.gz': 'tar.gz',
    'a.tzst': 'tar.zst',
    'a.tar': 'tar',
    a: 'tar.zst',
  }
  for (const [name, format] of Object.entries(names))
    assert.equal((await readIndex(await pack(place, name))).format, format, name)
  assert.equal((await readIndex(await pack(place, 'b.zip', '--format=tar'))).format, 'tar')
})

test('an archive made with --exclude, --include, --arcroot or --dest-prefix is never staged', async (context) => {
  const place = await world(context)
  for (const option of ['--exclude=x', '--include=x', '--arcroot=x', '--dest-prefix=/x']) {
    const name = option.slice(0, option.indexOf('='))
    const wrong = { code: 'USAGE', status: 2, says: name, hint: '--help' } as const
    const own = [`--prefix=${place.prefix}`, option]
    await fails(place, own, wrong)
    await fails(place, ['--pack', ...own], wrong)
  }
  const wrong = { code: 'USAGE', status: 2, hint: '--help' } as const
  await fails(place, ['--pack', '--output=x', '--arcroot=a/../b'], { ...wrong, says: 'out of the archive' })
  await fails(place, ['--pack', '--output=x', '--dest-prefix=x'], { ...wrong, says: 'not an absolute path' })
  const file = await pack(place, 'small.tar', '--exclude=bin/*')
  const { stdout, stderr } = await succeed(place, [
    `--prefix=${place.prefix}`,
    `--path=${place.local}`,
    `--output=${file}`,
  ])
  assert.match(stderr, /is out of date/)
  assert.equal((await end(`${stdout.trimEnd()}/bin/greet`, [])).status, 0)
})
