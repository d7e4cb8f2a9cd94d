import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { getuid } from 'node:process'
import { test } from 'node:test'
import { readHead, readIndex } from '../../src/archive/reader.ts'
import { byPath, bytePathOf } from '../../src/model/byte-path.ts'
import {
  contentsOf,
  directory,
  expectedListing,
  file,
  HEADER,
  hardTree,
  listing,
  pack,
  run,
  symlink,
  TAR_FORMATS,
  workFolder,
} from './support.ts'

/** Runs tar as an ordinary user, whom read-only folders stop; root ignores them. */
const ORDINARY = getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

for (const format of TAR_FORMATS) {
  const option = { 'tar.zst': '--zstd', 'tar.gz': '-z', tar: '--no-auto-compress' }[format]

  test(`GNU tar restores the whole tree from a ${format}, as an ordinary user`, async (context) => {
    const folder = await workFolder(context)
    const items = hardTree()
    const archive = `${folder}/demo.${format}`
    await pack(archive, items)
    for (const LC_ALL of ['C', 'C.UTF-8']) {
      const target = `${folder}/${LC_ALL}`
      await run('mkdir', [target], ORDINARY)
      const options = { ...ORDINARY, env: { PATH: process.env.PATH, LC_ALL } }
      const { stderr } = await run('tar', [option, '-xpf', archive, '-C', target], options)
      assert.match(stderr, /^(tar: \.\/lib\/old: implausibly old time stamp .*\n)?$/)
      assert.deepEqual(await listing(target), expectedListing(items))
    }
    // Without an option, tar recognises the format by itself.
    const { stdout } = await run('tar', ['-tf', archive])
    assert.equal(stdout.trimEnd().split('\n').length, items.length)
  })

  test(`Python's tarfile restores the whole tree from a ${format}`, async (context) => {
    const folder = await workFolder(context)
    const items = hardTree()
    const archive = `${folder}/demo.${format}`
    await pack(archive, items)
    await mkdir(`${folder}/x`)
    const source =
      format === 'tar.zst'
        ? 'fileobj=subprocess.Popen(["zstd", "-dc", sys.argv[1]], stdout=-1).stdout, mode="r|"'
        : 'sys.argv[1]'
    const script = `import subprocess, sys, tarfile\ntarfile.open(${source}).extractall(sys.argv[2])`
    await run('python3', ['-W', 'ignore', '-c', script, archive, `${folder}/x`])
    // Python's time stamps are floating-point numbers, exact to the microsecond.
    const coarse = (lines: string[]) => lines.map((line) => line.replace(/(\d{6})\d{3} (file|directory)/, '$1 $2'))
    assert.deepEqual(coarse(await listing(`${folder}/x`)), coarse(expectedListing(items)))
  })

  test(`a ${format} passes the integrity test of the standard tool`, async (context) => {
    const folder = await workFolder(context)
    // bsdtar complains about names that are not UTF-8.
    const items = hardTree().filter(({ entry }) => !/[\x80-\xff]/.test(entry.path))
    await pack(`${folder}/demo.${format}`, items)
    const [tool, ...args] = { 'tar.zst': ['zstd', '-t'], 'tar.gz': ['gzip', '-t'], tar: ['bsdtar', '-tf'] }[format]
    await run(tool!, [...args, `${folder}/demo.${format}`])
  })

  test(`index and frames of a ${format} give back everything that was packed`, async (context) => {
    const folder = await workFolder(context)
    const items = [
      ...hardTree(),
      file('bin/patched', 'see /envs/demo', {
        package: 'demo-1.0-0',
        placeholder: { text: '/envs/demo', mode: 'text' },
        relocation: {
          kind: 'text',
          occurrences: [{ offset: 4, prefix: 0, encoding: 'utf8', later: { field: 1 } } as never],
        },
      }),
    ]
    const archive = `${folder}/demo.${format}`
    const written = await pack(archive, items)
    const index = await readIndex(archive)
    assert.deepEqual(index, written)
    assert.deepEqual(index.prefixes, HEADER.prefixes)
    assert.deepEqual(
      index.entries.map(({ path }) => path),
      items
        .map(({ entry }) => entry)
        .sort(byPath)
        .map(({ path }) => path),
    )
    for (const [path, content] of contentsOf(archive, index)) {
      const item = items.find(({ entry }) => entry.path === path)
      assert.deepEqual(content, item?.content?.chunks, path)
    }
  })

  test(`an empty environment makes a valid ${format}`, async (context) => {
    const folder = await workFolder(context)
    const archive = `${folder}/demo.${format}`
    const written = await pack(archive, [directory('')])
    assert.deepEqual(await readIndex(archive), written)
    const { stdout } = await run('tar', [option, '-tf', archive])
    assert.equal(stdout, './\n')
  })
}

test('the same input makes the same archive, byte for byte', async (context) => {
  const folder = await workFolder(context)
  const items = hardTree()
  await pack(`${folder}/1.tar.zst`, items, { threads: 1 })
  await pack(`${folder}/2.tar.zst`, items, { threads: 8 })
  assert.ok((await readFile(`${folder}/1.tar.zst`)).equals(await readFile(`${folder}/2.tar.zst`)))
})

test('the head of an archive has the watched folders and what stands directly in them, as lstat reports it', async (context) => {
  const folder = await workFolder(context)
  const items = [
    directory(''),
    directory('conda-meta'),
    file('conda-meta/history', 'one line', { mtimeNs: 1_700_000_000_987_654_321n }),
    directory('lib'),
    directory('lib/python3.13'),
    file('lib/python3.13/os.py', 'not watched'),
    directory('lib/python3.13/site-packages'),
    directory('lib/python3.13/site-packages/numpy'),
    file('lib/python3.13/site-packages/numpy/__init__.py', 'not watched'),
    {
      entry: { type: 'hardlink', path: 'lib/second', target: 'conda-meta/history', mode: 0o644, mtimeNs: 5n } as const,
    },
    { entry: { type: 'symlink', path: 'lib/link', target: 'second', mode: 0o777, mtimeNs: -1n } as const },
  ]
  await pack(`${folder}/demo.tar.zst`, items)
  const head = await readHead(`${folder}/demo.tar.zst`)
  assert.deepEqual(head.totals, { entries: 11, files: 3, bytes: 8 + 11 + 11, frames: 1 })
  assert.deepEqual(
    head.watched.map(({ path }) => path),
    [
      '',
      'conda-meta',
      'conda-meta/history',
      'lib',
      'lib/link',
      'lib/python3.13',
      'lib/python3.13/site-packages',
      'lib/python3.13/site-packages/numpy',
      'lib/second',
    ],
  )
  const fact = (path: string) => head.watched.find((entry) => entry.path === path)
  const history = { type: 'file', mode: 0o644, size: 8 }
  assert.deepEqual(fact('conda-meta/history'), {
    path: 'conda-meta/history',
    ...history,
    mtimeNs: 1_700_000_000_987_654_321n,
  })
  assert.deepEqual(fact('lib/second'), { path: 'lib/second', ...history, mtimeNs: 5n })
  assert.deepEqual(fact('lib/link'), { path: 'lib/link', type: 'symlink', mode: 0o777, size: 6, mtimeNs: -1n })
})

test('names beyond ASCII are stored as UTF-8, for tars that do not take plain bytes', async (context) => {
  const folder = await workFolder(context)
  const name = bytePathOf('Übergröße')
  await pack(`${folder}/demo.tar.gz`, [directory(''), file(name, ''), file('plain', ''), symlink('link', name)])
  const script =
    'import sys, json, tarfile; print(json.dumps({m.name: m.pax_headers for m in tarfile.open(sys.argv[1])}))'
  const { stdout } = await run('python3', ['-c', script, `${folder}/demo.tar.gz`])
  const headers = JSON.parse(stdout) as Record<string, Record<string, string>>
  assert.equal(headers['./Übergröße']?.path, './Übergröße')
  assert.equal(headers['./link']?.linkpath, 'Übergröße')
  assert.equal(headers['./plain']?.path, undefined)
})

test('unzip and bsdtar restore a zip, with modes, symbolic links and whole seconds', async (context) => {
  const folder = await workFolder(context)
  // A zip holds no hard links. unzip restores no setuid and sticky bits and no time before 1970, and changes bytes in names.
  const isBeyond = /^bin\/setuid$|^lib\/old$|\n|[\xe9\xff]/
  const items = hardTree().filter(({ entry }) => entry.type !== 'hardlink' && !isBeyond.test(entry.path))
  await pack(`${folder}/demo.zip`, items)
  await run('zip', ['-T', `${folder}/demo.zip`])
  const coarse = (lines: string[]) =>
    lines.slice(1).map((line) => line.replace(' 1755 ', ' 755 ').replace(/(-?\d+)\d{9} (file|directory)/, '$1 $2'))
  const expected = coarse(expectedListing(items))
  for (const [tool, ...args] of [
    ['unzip', '-q', `${folder}/demo.zip`, '-d'],
    ['bsdtar', '-xpf', `${folder}/demo.zip`, '-C'],
  ]) {
    await mkdir(`${folder}/${tool}`)
    await run(tool!, [...args, `${folder}/${tool}`], { env: { ...process.env, LC_ALL: 'C.UTF-8' } })
    assert.deepEqual(coarse(await listing(`${folder}/${tool}`)), expected)
  }
})

test('unzip, Python and conda-stage read a zip of more members than 16 bits can count', async (context) => {
  const folder = await workFolder(context)
  const files = Array.from({ length: 66_000 }, (_, at) => file(`file${at}`, at === 65_999 ? 'last' : ''))
  await pack(`${folder}/demo.zip`, [directory(''), file('first', '1'), ...files])
  assert.equal((await run('unzip', ['-p', `${folder}/demo.zip`, 'file65999'])).stdout, 'last')
  const count = 'import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))'
  assert.equal((await run('python3', ['-c', count, `${folder}/demo.zip`])).stdout, '66001\n')
  const contents = contentsOf(`${folder}/demo.zip`, await readIndex(`${folder}/demo.zip`))
  assert.equal(contents.get('file65999')?.toString(), 'last')
})
