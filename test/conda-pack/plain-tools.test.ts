/** Our archives in the hands of people who have tar, unzip, a shell and Python, but no conda-stage. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ArchiveFormat } from '../../src/model/archive-index.ts'
import { succeed, type World, world } from '../cli/world.ts'
import { end, output, tree, unpack } from './support.ts'

const FORMATS: readonly ArchiveFormat[] = ['tar.zst', 'tar.gz', 'tar', 'zip']
const SCRIPTS = ['bin/activate', 'bin/activate.fish', 'bin/conda-unpack', 'bin/deactivate']
const RECORD = 'conda-meta/conda-stage-prefixes'

/** A packed environment, with files that a user made by hand. */
async function packed(context: TestContext, format: ArchiveFormat): Promise<World & { file: string }> {
  const place = await world(context, { byHand: true })
  mkdirSync(`${place.prefix}2`)
  const file = `${place.root}/packed.${format}`
  await succeed(place, ['--pack', `--prefix=${place.prefix}`, `--output=${file}`])
  return { ...place, file }
}

/** Programs, scripts and files of the environment have to name its own prefix. */
async function assertWorks(prefix: string): Promise<void> {
  const code = [
    `. '${prefix}/bin/activate'`,
    'greet --prefix && greet --library-prefix && greet-script',
    'echo "$CONDA_PREFIX $GREET_HOME"',
    'by-hand | tail -n 1',
    'cat "$CONDA_PREFIX/share/by-hand/pair-2" "$CONDA_PREFIX/share/by-hand/read-only"',
  ]
  const lines = (await output('bash', ['-euc', code.join('\n')])).trimEnd().split('\n')
  assert.deepEqual(lines, [
    prefix,
    prefix,
    `script ${prefix}/bin/greet-script`,
    `${prefix} ${prefix}/share/greet`,
    'Hello from the environment',
    prefix,
    `${prefix}/lib`,
  ])
}

for (const format of FORMATS) {
  test(`a ${format} unpacks into the whole environment, which works after conda-unpack there and after each move`, async (context) => {
    const place = await packed(context, format)
    const original = tree(place.prefix)
    const there = `${place.root}/x`
    await unpack(place.file, format, there)
    const unpacked = tree(there)
    for (const path of [...SCRIPTS, RECORD]) assert.ok(unpacked.delete(path), path)
    if (format === 'zip') for (const map of [unpacked, original]) map.delete('')
    assert.deepEqual(new Map([...unpacked].sort()), new Map([...original].sort()))
    renameSync(place.prefix, `${place.prefix}.away`)

    const code = `. '${there}/bin/activate' && conda-unpack && command -v conda-unpack`
    assert.equal(await output('bash', ['-c', code]), `${there}/bin/conda-unpack\n`)
    await assertWorks(there)
    // First longer than the original's path and than what the kernel reads of a first line, then short again.
    const far = `${place.root}/${'far away/'.repeat(16)}moved`
    await output('mkdir', ['-p', dirname(far)])
    for (const [from, to] of [
      [there, far],
      [far, `${place.root}/y`],
    ] as const) {
      renameSync(from, to)
      await output(`${to}/bin/conda-unpack`, [])
      await assertWorks(to)
    }
  })

  test(`a copy staged from a ${format} has no scripts for people who unpack archives`, async (context) => {
    const place = await packed(context, format)
    const args = [`--prefix=${place.prefix}`, `--path=${place.local}`, `--output=${place.file}`]
    const { stdout, stderr } = await succeed(place, args)
    assert.doesNotMatch(stderr, /Packaging/)
    const staged = stdout.trimEnd()
    const [copy, original] = [tree(staged), tree(place.prefix)]
    assert.deepEqual(
      [...original.keys()].filter((path) => !copy.has(path)),
      [],
    )
    assert.deepEqual(
      [...SCRIPTS, RECORD].filter((path) => copy.has(path)),
      [],
    )
    assert.equal(await output(`${staged}/bin/greet`, ['--prefix']), `${staged}\n`)
    await succeed(place, ['--verify', `--prefix=${staged}`])
  })
}

test('conda-unpack leaves modes, times, hard links and all other bytes as they were', async (context) => {
  const place = await packed(context, 'tar.zst')
  const there = `${place.root}/somewhere else`
  await unpack(place.file, 'tar.zst', there)
  const before = tree(there)
  const { stderr } = await end(`${there}/bin/conda-unpack`, [])
  const after = tree(there)
  const withoutDigest = (facts: string) => facts.replace(/ \S+$/, '')
  for (const [path, facts] of before) {
    if (path === RECORD || facts.startsWith('->')) continue
    assert.equal(withoutDigest(after.get(path)!), withoutDigest(facts), path)
  }
  const changed = [...before].filter(([path, facts]) => after.get(path) !== facts).map(([path]) => path)
  const held = (await output('grep', ['-rlF', '--', place.prefix, place.prefix])).split('\n')
  for (const path of changed)
    assert.ok(
      path === RECORD ||
        path.endsWith('absolute') ||
        held.includes(`${place.prefix}/${path}`) ||
        /utf16|settings/.test(path),
      path,
    )
  const inode = (path: string) => statSync(`${there}/${path}`).ino
  assert.equal(inode('share/by-hand/pair-1'), inode('share/by-hand/pair-2'))
  assert.equal(
    readFileSync(`${there}/share/by-hand/neighbour`, 'utf8'),
    `${place.prefix}2/lib is another environment\n`,
  )
  // Whatever has no room is reported and unchanged.
  assert.match(stderr, /^conda-unpack: warning: .*\/bin\/by-hand has no room/m)
  assert.equal(after.get('share/by-hand/utf16.txt'), before.get('share/by-hand/utf16.txt'))
})

test('after an interruption, the next conda-unpack finishes the work, even at another path', async (context) => {
  const place = await packed(context, 'tar')
  const there = `${place.root}/there`
  await unpack(place.file, 'tar', there)
  cpSync(there, `${place.root}/fresh`, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  await output(`${there}/bin/conda-unpack`, [])
  const done = tree(there)
  // As if it had been stopped halfway: every other file has its old bytes, and the record says where to relocate to.
  const record = JSON.parse(readFileSync(`${place.root}/fresh/${RECORD}`, 'utf8'))
  for (const [at, { path, links }] of record.files.entries())
    if (at % 2 === 0 && !links) cpSync(`${place.root}/fresh/${path}`, `${there}/${path}`, { preserveTimestamps: true })
  const heads = (path: string, length: number) => readFileSync(`${place.root}/fresh/${path}`, 'latin1').slice(0, length)
  for (const file of record.files) if (file.headLength) file.head = heads(file.path, file.headLength)
  const halfway = JSON.stringify({ ...record, moving: there })
  writeFileSync(`${there}/${RECORD}`, halfway)
  cpSync(there, `${place.root}/again`, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })

  await output(`${there}/bin/conda-unpack`, [])
  const bytes = (all: Map<string, string>) =>
    [...all].map(([path, facts]) => [path, facts.replace(/^\d+ \d+ /, '')]).sort()
  assert.deepEqual(bytes(tree(there)), bytes(done))
  renameSync(place.prefix, `${place.prefix}.away`)
  await assertWorks(there)
  renameSync(there, `${there}.away`)
  await output(`${place.root}/again/bin/conda-unpack`, [])
  await assertWorks(`${place.root}/again`)
})

test('without any Python, conda-unpack says so and changes nothing', async (context) => {
  const place = await packed(context, 'tar')
  await unpack(place.file, 'tar', `${place.root}/x`)
  const before = tree(`${place.root}/x`)
  const ended = await end(`${place.root}/x/bin/conda-unpack`, [], { env: { PATH: '/nowhere' } })
  assert.equal(ended.status, 1)
  assert.match(
    ended.stderr,
    /no Python to run with: none in \S+\/x, and no python3 .* on PATH\. Nothing was changed\.\n$/,
  )
  assert.deepEqual(tree(`${place.root}/x`), before)
})

test('conda-unpack leaves files edited after unpacking alone and reports them; removed files do not matter', async (context) => {
  const place = await packed(context, 'tar')
  const there = `${place.root}/x`
  await unpack(place.file, 'tar', there)
  writeFileSync(`${there}/share/by-hand/end-of-file`, 'mine')
  await output('rm', [`${there}/etc/greet/search-path`])
  const ended = await end(`${there}/bin/conda-unpack`, [])
  assert.equal(ended.status, 0)
  assert.match(ended.stderr, /end-of-file was changed after unpacking/)
  assert.equal(readFileSync(`${there}/share/by-hand/end-of-file`, 'utf8'), 'mine')
  assert.equal(await output(`${there}/bin/greet`, ['--prefix']), `${there}\n`)
})

test('an unpacked environment can be packed, staged and unpacked again', async (context) => {
  const place = await packed(context, 'tar.zst')
  const second = `${place.root}/second/env`
  await unpack(place.file, 'tar.zst', second)
  await output(`${second}/bin/conda-unpack`, [])
  await succeed(place, ['--pack', `--prefix=${second}`, `--output=${place.root}/again.zip`])
  renameSync(place.prefix, `${place.prefix}.away`)
  const { stdout } = await succeed(place, [`--prefix=${second}`, `--path=${place.local}`])
  assert.equal(await output(`${stdout.trimEnd()}/bin/greet`, ['--prefix']), stdout)
  await unpack(`${place.root}/again.zip`, 'zip', `${place.root}/third`)
  await output(`${place.root}/third/bin/conda-unpack`, [])
  await assertWorks(`${place.root}/third`)
})

for (const shell of ['bash', 'zsh', 'dash']) {
  test(`in ${shell}, sourcing bin/activate activates the environment, and deactivate restores the session`, async (context) => {
    const place = await packed(context, 'tar')
    const there = `${place.root}/it's $HOME`
    await unpack(place.file, 'tar', there)
    await output(`${there}/bin/conda-unpack`, [])
    symlinkSync('/usr/bin/env', `${place.root}/link`)
    const code = [
      'set -eu; PS1="> "; before=$(env | sort)',
      `cd '${place.root}'; . "./it's \\$HOME/bin/activate"`,
      'echo "$CONDA_PREFIX|$CONDA_DEFAULT_ENV|$PS1|$GREET_HOME"; command -v greet; greet',
      '. deactivate',
      'cd "$OLDPWD"; [ "$(env | grep -v -e ^OLDPWD= -e ^_= | sort)" = "$(echo "$before" | grep -v -e ^OLDPWD= -e ^_=)" ] && echo "as before $PS1"',
    ]
    const env = { PATH: '/usr/bin:/bin', HOME: place.root, OLDPWD: '/', PWD: '/' }
    const lines = (await output(shell, ['-c', code.join('\n')], { env, cwd: '/' })).split('\n')
    const name = there.slice(there.lastIndexOf('/') + 1)
    assert.deepEqual(lines, [
      `${there}|${name}|(${name}) > |${there}/share/greet`,
      `${there}/bin/greet`,
      'Hello from the environment',
      'as before > ',
      '',
    ])
  })
}

test('an ordinary user can unpack and relocate an environment with read-only folders', async (context) => {
  const place = await world(context)
  chmodSync(`${place.prefix}/etc/greet`, 0o555)
  await succeed(place, ['--pack', `--prefix=${place.prefix}`])
  const there = `${place.root}/x`
  const ordinary = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env']
  chmodSync(place.root, 0o777)
  const code = `mkdir '${there}' && tar -xpf '${place.archive}' -C '${there}' && '${there}/bin/conda-unpack'`
  await output(ordinary[0]!, [...ordinary.slice(1), 'sh', '-c', code])
  assert.equal(readFileSync(`${there}/etc/greet/search-path`, 'utf8').split(':')[0], `${there}/lib`)
  assert.equal(statSync(`${there}/etc/greet`).mode & 0o777, 0o555)
  assert.ok(!existsSync(`${there}/etc/greet/search-path.conda-unpack`))
})

test('in fish, sourcing bin/activate.fish activates the environment, and deactivate restores the session', async (context) => {
  const place = await packed(context, 'tar')
  const there = `${place.root}/with a blank`
  await unpack(place.file, 'tar', there)
  await output(`${there}/bin/conda-unpack`, [])
  const code = [
    'set -l before (set -nx; string join : $PATH)',
    `source '${there}/bin/activate.fish'`,
    'echo "$CONDA_PREFIX|$CONDA_DEFAULT_ENV|"(fish_prompt | string collect | string match -r "^\\([^)]*\\) ")',
    'command -v greet; greet; deactivate',
    'set -l now (set -nx; string join : $PATH)',
    'test "$before" = "$now"; and not functions -q deactivate; and not set -q _CONDA_STAGE_UNPACKED; and echo as before',
  ]
  const env = { PATH: '/usr/bin:/bin', HOME: place.root }
  assert.deepEqual((await output('fish', ['-c', code.join('\n')], { env, cwd: '/' })).split('\n'), [
    `${there}|with a blank|(with a blank) `,
    `${there}/bin/greet`,
    'Hello from the environment',
    'as before',
    '',
  ])
})
