import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readHead } from '../../src/archive/reader.ts'
import { run, stageOf, succeed, temporaryFolder, type World } from './world.ts'

/** An environment of a few files, with `$P` in place of its prefix. At `short` paths no copy is as short. */
async function small(
  context: TestContext,
  files: Record<string, string | Buffer>,
  { name = 'env', short = false }: { name?: string; short?: boolean } = {},
): Promise<World> {
  const root = temporaryFolder(context)
  const prefix = short ? `${root}/${name}` : `${root}/of-some-user/miniconda3/envs/${name}`
  const local = short ? `${root}/local/much/longer` : `${root}/local`
  mkdirSync(local, { recursive: true })
  mkdirSync(`${root}/home`)
  for (const [path, content] of Object.entries({ 'conda-meta/history': '', ...files })) {
    mkdirSync(dirname(`${prefix}/${path}`), { recursive: true })
    const text = Buffer.isBuffer(content) ? content.toString('latin1') : content
    writeFileSync(`${prefix}/${path}`, text.replaceAll('$P', prefix), 'latin1')
  }
  const env = { HOME: `${root}/home`, PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' }
  return { root, prefix, name, archive: `${prefix}.tar.zst`, local, env }
}

const textOf = (path: string): string => readFileSync(path, 'latin1')

async function findings(place: World, staged: string) {
  const { status, stdout } = await run(place, ['--verify', `--prefix=${staged}`, '--json'])
  return { status, found: JSON.parse(stdout).findings as { path: string; why: string; harmless: boolean }[] }
}

const FORMS = [
  'set(F "-fdebug-prefix-map=$P=/usr/src -I$P/include")\n',
  'install:\n\tcp t $(DESTDIR)$P/bin\n',
  's@$P@X@\n',
  'url=file://localhost$P/x\n',
]

test('whatever stands around it, the prefix is relocated in texts of every kind, and the copy is sound', async (context) => {
  const files = Object.fromEntries(FORMS.map((text, at) => [`lib/${at}`, text]))
  for (const short of [false, true]) {
    const place = await small(context, files, { short })
    const staged = await stageOf(place)
    for (const [path, text] of Object.entries(files))
      assert.equal(textOf(`${staged}/${path}`), text.replaceAll('$P', staged))
    assert.deepEqual(await findings(place, staged), { status: 0, found: [] })
  }
})

test('a longer name is another environment only if it stands beside; the archive keeps what stood there', async (context) => {
  const place = await small(context, { 'lib/x': '$P2/lib $P-old $P3\n' })
  mkdirSync(`${place.prefix}2`)
  const staged = await stageOf(place, ['--writable'])
  assert.equal(textOf(`${staged}/lib/x`), `${place.prefix}2/lib ${staged}-old ${staged}3\n`)
  assert.ok((await readHead(place.archive)).siblings?.[0]?.includes('2'))
  rmSync(`${place.prefix}2`, { recursive: true })
  assert.equal((await findings(place, staged)).status, 0, 'it goes by the same evidence')
  writeFileSync(`${staged}/lib/y`, `${place.prefix}3`)
  assert.equal((await findings(place, staged)).status, 1, 'by which this is the original and a digit')
})

test('when a sibling has come or gone, the next archive takes nothing from the one before', async (context) => {
  const files = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`lib/${n}`, '$P2/lib $P3\n'.repeat(200)]))
  const place = await small(context, files)
  const pack = async () => (await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--verbose'])).stderr
  await pack()
  writeFileSync(`${place.prefix}/bin`, 'new')
  assert.match(await pack(), /Reused [1-9]/)
  writeFileSync(`${place.prefix}/etc`, 'new')
  mkdirSync(`${place.prefix}2`)
  assert.doesNotMatch(await pack(), /Reused [1-9]/)
  const staged = await stageOf(place)
  assert.equal(textOf(`${staged}/lib/7`), `${place.prefix}2/lib ${staged}3\n`.repeat(200))
})

for (const [name, word, xml] of [
  ['my env', 'my\\ env', 'my env'],
  ['R&D', 'R\\&D', 'R&amp;D'],
  ['a$b', 'a\\$b', 'a$b'],
  ["it's", "it\\'s", "it's"],
  ['x(1)', 'x\\(1\\)', 'x(1)'],
] as const) {
  test(`an environment named ${name} is relocated as shells, make and XML spell it`, async (context) => {
    const spelled = {
      'a.sh': [`D=@/${word}/share\n`],
      'b.xml': [`<d>@/${xml}/f</d>`],
      'c.mk': [`D = @/${name.replaceAll('$', '$$$$')}/x\n`],
    }
    const place = await small(context, {}, { name })
    const folder = dirname(place.prefix)
    mkdirSync(`${place.prefix}/share`)
    for (const [file, [text]] of Object.entries(spelled))
      writeFileSync(`${place.prefix}/share/${file}`, text!.replace('@', folder))
    const staged = await stageOf(place)
    for (const [file, [text]] of Object.entries(spelled))
      assert.equal(textOf(`${staged}/share/${file}`), text!.replace('@', dirname(staged)))
    const shell = execFileSync('bash', ['-c', '. "$1"; printf %s "$D"', '-', `${staged}/share/a.sh`], {
      encoding: 'utf8',
    })
    assert.equal(shell, `${staged}/share`)
    assert.equal((await findings(place, staged)).status, 0)
  })
}

test('data with counted strings stays whole in a longer copy: the stage names it, and --verify fails', async (context) => {
  const place = await small(context, {}, { short: true })
  const data = `${place.prefix.length + 4}:${place.prefix}/lib,`
  mkdirSync(`${place.prefix}/share`)
  writeFileSync(`${place.prefix}/share/netstring`, data)
  const { stdout, stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  const staged = stdout.trimEnd()
  assert.equal(textOf(`${staged}/share/netstring`), data)
  assert.match(stderr, /WARNING: These files still point to the original, .*: share\/netstring/)
  const { status, found } = await findings(place, staged)
  assert.deepEqual([status, found.map(({ path, harmless }) => [path, harmless])], [1, [['share/netstring', false]]])
})

test('byte code without a source gets the longer path; of an unknown Python it is named, and --verify fails', async (context) => {
  const place = await small(
    context,
    { 'lib/unknown.pyc': Buffer.from(`\x01\0\r\n${'\0'.repeat(12)}z\x20$P`, 'latin1') },
    { short: true },
  )
  writeFileSync(`${place.prefix}/lib/m.py`, `D = '${place.prefix}/share'\n`)
  const compile = 'import py_compile as p, sys; p.compile(sys.argv[1], cfile=sys.argv[1] + "c")'
  execFileSync('python3', ['-c', compile, `${place.prefix}/lib/m.py`])
  rmSync(`${place.prefix}/lib/m.py`)
  const { stdout, stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  const staged = stdout.trimEnd()
  const imported = execFileSync('python3', ['-c', 'import m; print(m.D)'], {
    env: { ...process.env, PYTHONPATH: `${staged}/lib` },
    encoding: 'utf8',
  })
  assert.equal(imported, `${staged}/share\n`)
  assert.match(stderr, /WARNING: These files still point to the original, .*: lib\/unknown\.pyc/)
  const { status, found } = await findings(place, staged)
  assert.deepEqual([status, found.map(({ path }) => path)], [1, ['lib/unknown.pyc']])
})

test('a database that holds the prefix is not edited: the stage names it, and --verify fails', async (context) => {
  const place = await small(context, {
    'share/x.db': 'SQLite format 3\0 $P',
    'share/x.gz': Buffer.from('\x1f\x8b\x08\0 $P', 'latin1'),
  })
  const { stdout, stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  const staged = stdout.trimEnd()
  assert.match(stderr, /WARNING: These archives and databases still point to the original.*: share\/x\.db/)
  const { status, found } = await findings(place, staged)
  assert.equal(status, 1)
  assert.deepEqual(
    found.map(({ path, harmless }) => [path, harmless]),
    [
      ['share/x.db', false],
      ['share/x.gz', true],
    ],
  )
})

test('--verify lists data in which a path or other data stands before the prefix, since both may be meant', async (context) => {
  const place = await small(context, { 'share/d.bin': '\x01\0\x04/mnt$P', 'share/text': '/mnt$P\n' })
  const staged = await stageOf(place)
  assert.equal(textOf(`${staged}/share/d.bin`), `\x01\0\x04/mnt${place.prefix}`)
  const { status, found } = await findings(place, staged)
  assert.deepEqual([status, found.map(({ path, harmless }) => [path, harmless])], [1, [['share/d.bin', false]]])
  assert.match(found[0]!.why, /may hold the original prefix in one place/)
})

test('unpacked archives are relocated in all spellings and in first lines before a zip', async (context) => {
  const place = await small(context, {}, { name: 'R&D' })
  mkdirSync(`${place.prefix}/share`)
  writeFileSync(`${place.prefix}/share/b.xml`, `<d>${place.prefix.replace('&', '&amp;')}/f</d>`)
  execFileSync('python3', [
    '-c',
    'import sys, zipapp, pathlib as p; d = p.Path(sys.argv[1]); d.mkdir(); (d / "__main__.py").write_text("print(1)"); zipapp.create_archive(d, sys.argv[2], sys.argv[3])',
    `${place.root}/app`,
    `${place.prefix}/share/app`,
    `${place.prefix}/bin/python`,
  ])
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  for (const there of [`${place.root}/t`, `${place.root}/${'longer/'.repeat(12)}there`]) {
    mkdirSync(there, { recursive: true })
    execFileSync('tar', ['--zstd', '-xf', place.archive, '-C', there])
    execFileSync(`${there}/bin/conda-unpack`)
    assert.equal(textOf(`${there}/share/b.xml`), `<d>${there}/f</d>`)
    assert.ok(
      textOf(`${there}/share/app`).startsWith(`#!${there}/bin/python`) ||
        textOf(`${there}/share/app`).includes(`'''exec' "${there}/bin/python"`),
    )
    assert.equal(execFileSync('python3', [`${there}/share/app`], { encoding: 'utf8' }), '1\n')
  }
  assert.ok(existsSync(place.archive) && readdirSync(place.local).length === 0)
})
