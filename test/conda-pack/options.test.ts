/** Options of --pack that conda-pack's users know, compared with conda-pack itself where it defines them. */
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
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

test('byte code beside its source, which a longer --dest-prefix can leave as it is, causes no warning', async (context) => {
  const place = await world(context)
  mkdirSync(`${place.prefix}/lib/__pycache__`, { recursive: true })
  const head = Buffer.from(`\x6f\x0d\r\n${'\0'.repeat(12)}`, 'latin1')
  const code = Buffer.concat([head, Buffer.from(`z\x40${place.prefix}/lib/x.py`, 'latin1')])
  writeFileSync(`${place.prefix}/lib/__pycache__/x.cpython-311.pyc`, code)
  const args = ['--pack', `--prefix=${place.prefix}`, `--output=${place.root}/a.tar`]
  const { status, stderr } = await run(place, [
    ...args,
    `--dest-prefix=${place.root}/a much longer place/than it was/env`,
  ])
  assert.equal(status, 0, stderr)
  assert.doesNotMatch(stderr, /\.pyc/)
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

test('--dest-prefix takes a text that is no path, as conda-pack does, and links stay inside', async (context) => {
  const place = await world(context)
  const { prefix, root } = place
  writeFileSync(`${prefix}/share/url`, `see file://${prefix}/share and ${prefix}\n`)
  symlinkSync(`${prefix}/share/url`, `${prefix}/etc/greet/absolute`)
  symlinkSync(prefix, `${prefix}/etc/top`)
  const text = '--dest-prefix=$ENVDIR'
  await unpack(await pack(place, 'ours.tar', text), 'tar', `${root}/ours`)
  await condaPack(prefix, `${root}/theirs.tar`, text)
  await unpack(`${root}/theirs.tar`, 'tar', `${root}/theirs`)
  assert.equal(readFileSync(`${root}/ours/share/url`, 'utf8'), 'see file://$ENVDIR/share and $ENVDIR\n')
  assert.equal(readlinkSync(`${root}/ours/etc/greet/absolute`), '../../share/url')
  assert.equal(readlinkSync(`${root}/ours/etc/top`), '..')
  const [ours, theirs] = [tree(`${root}/ours`), tree(`${root}/theirs`)]
  const known = /^bin\/(activate|deactivate|greet-script)|^conda-meta\//
  for (const [path, facts] of theirs)
    if (!known.test(path) && !/^->|folder$/.test(facts))
      assert.equal(ours.get(path)?.split(' ').at(-1), facts.split(' ').at(-1), path)
  assert.match(readFileSync(`${root}/ours/bin/greet-script`, 'utf8'), /^#!\$ENVDIR\/bin\//)
})

test('--output with the ending of a format that is not written is wrong usage, and the message lists the endings', async (context) => {
  const place = await world(context)
  const before = readdirSync(place.root)
  for (const ending of ['tar.xz', 'txz', 'rar', '7z', 'parcel', 'no-archive', 'gz', 'zst', 'foo', 'TAR.XZ']) {
    const args = ['--pack', `--prefix=${place.prefix}`, `--output=${place.root}/a.${ending}`]
    const says = `.${ending.toLowerCase()} files. It writes .tar.zst, .tzst, .tar.gz, .tgz, .tar.bz2, .tbz2, .tar, .zip, .sqfs and .squashfs`
    await fails(place, args, { code: 'USAGE', status: 2, says, hint: '--help' })
  }
  for (const ending of ['tar.bz2', 'tbz2']) {
    const args = ['--pack', `--prefix=${place.prefix}`, `--output=${place.root}/a.${ending}`]
    await fails(place, args, { code: 'USAGE', status: 2, says: 'only with --format=tar.bz2', hint: '--help' })
  }
  await fails(place, [`--prefix=${place.prefix}`, `--output=${place.root}/none.rar`], {
    code: 'USAGE',
    status: 2,
    says: '.rar',
    hint: '--help',
  })
  assert.deepEqual(readdirSync(place.root), before)
})

test('an archive is staged by the short ending that it was written with', async (context) => {
  const place = await world(context)
  for (const [name, format] of [
    ['a.tgz', 'tar.gz'],
    ['A.TZST', 'tar.zst'],
  ] as const) {
    const file = await pack(place, name)
    assert.equal((await readIndex(file)).format, format)
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
    assert.doesNotMatch((await succeed(place, args)).stderr, /Packaging/)
  }
})

test('--format takes short endings, and infer for none', async (context) => {
  const place = await world(context)
  assert.equal((await readIndex(await pack(place, 'a', '--format=tgz'))).format, 'tar.gz')
  assert.equal((await readIndex(await pack(place, 'b', '--format=tzst'))).format, 'tar.zst')
  assert.equal((await readIndex(await pack(place, 'c.zip', '--format=infer'))).format, 'zip')
})

test('--format=tar.bz2 writes an archive that tar and Python unpack and that works, but that is not staged', async (context) => {
  const place = await world(context, { byHand: true })
  const file = await pack(place, 'a.tar.bz2', '--format=tar.bz2', '--compress-level=1')
  const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
  await fails(place, args, { code: 'ARCHIVE_FOREIGN', path: file, says: "can't be staged", hint: '--output=FILE' })
  await fails(place, ['--format=tar.bz2', ...args], { code: 'USAGE', status: 2, says: '--pack', hint: '--help' })
  // Ours, so that it may be replaced.
  await pack(place, 'a.tar.bz2', '--format=tbz2', '--arcroot=env')
  renameSync(place.prefix, `${place.prefix}.away`)
  await output('tar', ['-xf', file, '-C', place.local])
  const code = 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="fully_trusted")'
  await output('python3', ['-c', code, file, `${place.root}/by-python`])
  for (const there of [`${place.local}/env`, `${place.root}/by-python/env`]) {
    await output(`${there}/bin/conda-unpack`, [])
    assert.equal(await output(`${there}/bin/greet`, ['--library-prefix']), `${there}\n`)
  }
  assert.deepEqual(
    readdirSync(place.root).filter((name) => name.startsWith('.')),
    [],
  )
})

test('without bzip2 on PATH, --format=tar.bz2 says so, and leaves nothing', async (context) => {
  const place = await world(context)
  mkdirSync(`${place.root}/programs`)
  for (const name of ['sh', 'dirname', 'readlink', 'uname', 'cat', 'sed', 'id'])
    symlinkSync(`/usr/bin/${name}`, `${place.root}/programs/${name}`)
  const env = { PATH: `${place.root}/programs`, CONDA_STAGE_NODE: process.execPath }
  const args = ['--pack', '--format=tar.bz2', `--prefix=${place.prefix}`, `--output=${place.root}/a.tar.bz2`]
  await fails(place, args, { code: 'NO_PROGRAM', says: 'bzip2 is not on PATH', hint: 'Install bzip2' }, { env })
  assert.deepEqual(
    readdirSync(place.root).filter((name) => name.includes('bz2')),
    [],
  )
})

test('--compress-level=0 is the largest archive in each format, and it unpacks and is staged', async (context) => {
  const place = await world(context)
  for (const format of ['tar.zst', 'tar.gz', 'zip', 'tar'] as const) {
    const file = await pack(place, `a.${format}`, '--compress-level=0')
    await unpack(file, format, `${place.root}/x-${format}`)
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${file}`]
    assert.doesNotMatch((await succeed(place, args)).stderr, /Packaging/)
    const least = format === 'tar' ? 0 : 1
    if (least > 0)
      assert.ok(statSync(file).size > statSync(await pack(place, `b.${format}`, '--compress-level=9')).size)
  }
})

test("conda-pack's short options mean what they mean there", async (context) => {
  const place = await world(context)
  const file = `${place.root}/a.tar.gz`
  const { stderr } = await succeed(place, ['--pack', '-p', place.prefix, `-o=${file}`, '-q', '-j', '2'])
  assert.equal(stderr, '')
  const before = statSync(file).ino
  await succeed(place, ['--pack', '-qf', '-p', place.prefix, '-o', file, '--zip-symlinks'])
  assert.notEqual(statSync(file).ino, before)
  await succeed(place, ['--pack', '-n', place.name, '-d', '/opt/x', '-o', `${place.root}/b.tar`], {
    env: { CONDA_ENVS_PATH: `${place.prefix}/..` },
  })
  assert.ok(!(await members(`${place.root}/b.tar`)).includes('bin/conda-unpack'))
  const both = ['--pack', '-n', 'x', '-p', place.prefix]
  await fails(place, both, { code: 'USAGE', status: 2, says: /--name.*--prefix/, hint: '--help' })
  await fails(place, ['--pack', '-n', 'none'], { code: 'NO_ENVIRONMENT', says: 'none', hint: '--prefix=PATH' })
  assert.ok(existsSync(file))
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
  await fails(place, ['--pack', '--output=x', '--dest-prefix=/'], { ...wrong, says: 'not a place' })
  const file = await pack(place, 'small.tar', '--exclude=bin/*')
  const { stdout, stderr } = await succeed(place, [
    `--prefix=${place.prefix}`,
    `--path=${place.local}`,
    `--output=${file}`,
  ])
  assert.match(stderr, /is out of date: it does not hold the whole environment/)
  assert.equal((await end(`${stdout.trimEnd()}/bin/greet`, [])).status, 0)
})
