/** A first stage writes the archive and the stage in one pass. A failure of one does not stop the other. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { copiedWorld, fails, listing, MOUNTING, run, stageOf, succeed, type World } from '../cli/world.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'

const stage = ({ prefix, local }: World) => [`--prefix=${prefix}`, `--path=${local}`]

/** A description of everything in a tree: types, modes, sizes, mtimes, contents and links. */
function picture(root: string): string {
  const find = ['.', '-printf', '%P %y %m %s %T@ %l %n\\n']
  const facts = execFileSync('find', find, { cwd: root, encoding: 'latin1' }).split('\n').sort().join('\n')
  const sums = ['.', '-type', 'f', '-exec', 'sha256sum', '{}', '+']
  return facts + execFileSync('find', sums, { cwd: root, encoding: 'latin1' }).split('\n').sort().join('\n')
}

/** Files that span several frames, with the prefix at the seams and elsewhere. */
function largeFiles({ prefix }: World): void {
  const noise = (size: number) => randomFillSync(Buffer.alloc(size))
  const seam = (byte: number) =>
    Buffer.concat([Buffer.alloc(byte, 'x'), Buffer.from(`${prefix}/lib:`), noise(9_000_000)])
  writeFileSync(`${prefix}/share/large-binary`, seam(4_194_304 - 700))
  writeFileSync(`${prefix}/share/large-text`, `${prefix}/bin in a line\n`.repeat(150_000), { mode: 0o444 })
  writeFileSync(`${prefix}/share/without`, noise(5_000_000), { mode: 0o2640 })
}

/** So many files that threads pack them in runs. Some contain the prefix, some are hard links. */
function manyFiles({ prefix }: World): void {
  mkdirSync(`${prefix}/share/many`)
  for (let n = 0; n < 700; n++) {
    const path = `${prefix}/share/many/file-${n}`
    if (n % 50 === 49) linkSync(`${prefix}/share/many/file-${n - 7}`, path)
    else
      writeFileSync(
        path,
        Buffer.concat([Buffer.from(n % 3 ? '' : `${prefix}/lib\0`), randomFillSync(Buffer.alloc(n * 30))]),
      )
  }
}

/** Files that need more than a plain copy. */
function oddFiles({ prefix }: World): void {
  const text = `#!${prefix}/bin/python\n`
  for (const mode of [0o400, 0o444, 0o555, 0o4755, 0o644]) writeFileSync(`${prefix}/share/mode-${mode}`, text, { mode })
  writeFileSync(`${prefix}/share/empty`, '')
  writeFileSync(`${prefix}/share/zeros`, Buffer.alloc(2_000_000))
  writeFileSync(`${prefix}/share/a name\nin lines`, text)
  writeFileSync(Buffer.from(`${prefix}/share/caf\xe9`, 'latin1'), text)
  writeFileSync(`${prefix}/share/whole-frame`, randomFillSync(Buffer.alloc(4 * 1024 * 1024 - 600)))
  writeFileSync(`${prefix}/share/frame-and-header`, randomFillSync(Buffer.alloc(4 * 1024 * 1024 - 500)))
}

const AMOUNTS = [
  ['few files', () => {}],
  ['many files', manyFiles],
] as const

const LONGER = '/a/much/longer/folder/than/that/of/the/original'
for (const [disk, length, what] of [
  ['a local disk', '', 'as long as'],
  ['a local disk', LONGER, 'longer than'],
  ['a file server', '', 'as long as'],
  ['a file server', LONGER, 'longer than'],
] as const) {
  test(`the first and the second stage from ${disk} make the same copy to the last bit, with a path ${what} the original's`, {
    skip: disk === 'a file server' && (slowfsUnavailable() ?? false),
  }, async (context) => {
    const place = await copiedWorld(context)
    largeFiles(place)
    manyFiles(place)
    oddFiles(place)
    const local = place.local + length
    mkdirSync(local, { recursive: true })
    const token = (staged: string) => staged.split('/').at(-2)!
    const slow = disk === 'a file server' ? await mountSlow(place.prefix, place.prefix, { latencyMs: 1 }) : undefined
    const first = await stageOf({ ...place, local }).finally(() => slow?.unmount())
    const second = await stageOf({ ...place, local }, ['--private'])
    assert.notEqual(first, second)
    assert.equal(first.length, second.length)
    // And the blocks that files take up, because zeros are holes.
    const find = ['share', '-type', 'f', '-printf', '%p %T@ %b\\n', '-o', '-printf', '%p %T@\\n']
    const times = (one: string) => execFileSync('find', find, { cwd: one, encoding: 'latin1' })
    assert.deepEqual(times(first).split('\n').sort(), times(second).split('\n').sort())
    // Only the token differs: make it the same, then compare.
    const neutral = picture(first).length
    assert.equal(picture(second).length, neutral)
    const found = async (one: string) => {
      const { status, stdout } = await run(place, ['--verify', `--prefix=${one}`])
      return [status, stdout.replaceAll(token(one), 'TOKEN')]
    }
    const verified = await found(first)
    assert.deepEqual(await found(second), verified)
    assert.equal(verified[0], length === '' ? 0 : 1)
    execFileSync('chmod', ['-R', 'u+w', first, second])
    for (const one of [first, second]) {
      const replace = `s/${token(one)}/${'T'.repeat(token(one).length)}/g`
      const find = ['.', '-type', 'f', '-exec', 'sed', '-i', replace, '{}', '+']
      execFileSync('find', find, { cwd: one })
    }
    const facts = (one: string) => picture(one).replaceAll(/ \d+\.\d+ /g, ' ')
    assert.equal(facts(first), facts(second))
  })
}

for (const latencyMs of [0, 3]) {
  test(`a first stage opens each file of the original once, at ${latencyMs} ms a look-up`, {
    skip: slowfsUnavailable() ?? false,
  }, async (context) => {
    const place = await copiedWorld(context)
    for (let n = 0; n < 100; n++) writeFileSync(`${place.prefix}/share/many-${n}`, `${n}`)
    const files = execFileSync('find', [place.prefix, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n').length
    const mount = await mountSlow(place.prefix, place.prefix, { latencyMs, validSeconds: 3600 })
    try {
      await succeed(place, stage(place))
      const { open } = await mount.counters()
      // conda's records and the files that reveal editable installs are read beforehand.
      const records = readdirSync(`${place.prefix}/conda-meta`).length
      // So are 22 files at most that show how the prefix is spelled.
      assert.ok(open! <= files + records + 2 + 22, `${open} opens for ${files} files`)
    } finally {
      await mount.unmount()
    }
  })
}

test('if no archive can be written, the copy is made anyway, with a warning that says why', async (context) => {
  const place = await copiedWorld(context)
  chmodSync(dirname(place.prefix), 0o555)
  execFileSync('touch', [`${place.root}/cache`])
  execFileSync('chmod', ['0777', place.local])
  execFileSync('chmod', ['+t', place.local])
  const before = listing(place.prefix)
  const { status, stdout, stderr } = await run(place, [`--prefix=${place.prefix}`, `--path=${place.local}`], {
    inside: UNPRIVILEGED,
  })
  assert.equal(status, 0, stderr)
  assert.match(
    stderr,
    new RegExp(`WARNING: The archive ${place.archive} can't be written: .*\\. Staging continues without an archive`),
  )
  assert.match(stderr, new RegExp(`INFO: Extracting to ${place.local}/conda-stage_`))
  const staged = stdout.trimEnd()
  assert.equal(execFileSync(`${staged}/bin/greet`, { encoding: 'utf8' }), 'Hello from the environment\n')
  assert.equal((await run(place, ['--verify', `--prefix=${staged}`])).status, 0)
  assert.deepEqual(listing(place.prefix), before)
  assert.deepEqual(readdirSync(dirname(place.prefix)), ['myjupyter'])
})

test('if there is neither a place for the archive nor room for the copy, the message names the place, and nothing is left', async (context) => {
  const place = await copiedWorld(context)
  execFileSync('touch', [`${place.root}/cache`])
  const before = listing(place.prefix)
  const script = [
    'mount -t tmpfs -o size=16k tmpfs "$1"; mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"; local=$1; folder=$2; shift 2',
    'status=0; "$@" || status=$?; find "$local" -mindepth 1 >&2; ls -A "$folder" >&2; exit $status',
  ].join('; ')
  const inside = [...MOUNTING, script, 'sh', place.local, dirname(place.prefix)]
  const { status, stdout, stderr } = await run(place, stage(place), { inside })
  assert.deepEqual([status, stdout], [1, ''])
  const [error = '', ...rest] = stderr.slice(stderr.indexOf('ERROR: ')).trimEnd().split('\n')
  assert.match(error, new RegExp(`^ERROR: The archive ${place.archive} can't be written`))
  // A hint, then the listing: only the environment.
  assert.deepEqual(
    rest.filter((line) => !line.startsWith(' ')),
    ['myjupyter'],
  )
  assert.deepEqual(listing(place.prefix), before)
})

for (const [amount, fill] of AMOUNTS) {
  test(`an archive of ${amount} that fills its disk is abandoned without a trace, and the copy is complete`, async (context) => {
    const place = await copiedWorld(context)
    fill(place)
    writeFileSync(`${place.prefix}/share/noise`, randomFillSync(Buffer.alloc(12_000_000)))
    const cache = `${place.root}/cache`
    mkdirSync(cache)
    // The environment's folder can't be written, and the cache is small.
    const script = [
      'mount -t tmpfs -o size=3m tmpfs "$1"; mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"; cache=$1; shift 2',
      'status=0; "$@" || status=$?; find "$cache" -type f >&2; exit $status',
    ].join('; ')
    const inside = [...MOUNTING, script, 'sh', cache, dirname(place.prefix)]
    const { status, stdout, stderr } = await run(place, stage(place), { inside })
    assert.equal(status, 0, stderr)
    assert.match(
      stderr,
      /WARNING: The archive .*\/cache\/conda-stage\/.* can't be written: the file system is full\. Staging continues/,
    )
    assert.doesNotMatch(stderr, /\n\/.*\.tar\.zst/, 'something is left of it')
    const staged = stdout.trimEnd()
    assert.equal((await run(place, ['--verify', `--prefix=${staged}`])).status, 0)
    assert.equal(
      execFileSync('cmp', [`${staged}/share/noise`, `${place.prefix}/share/noise`], { encoding: 'utf8' }),
      '',
    )
  })
}

test('if there is no room to repack, the copy is made anyway, and the outdated archive stays', async (context) => {
  const place = await copiedWorld(context)
  writeFileSync(`${place.prefix}/share/noise`, randomFillSync(Buffer.alloc(4_000_000)))
  const archives = `${place.root}/archives`
  mkdirSync(archives)
  // Room for one archive.
  const script = [
    'mount -t tmpfs -o size=6m tmpfs "$1"; archives=$1; prefix=$2; shift 2',
    '"$1" --pack "$2" "$3"; cp "$archives"/* "$archives.before"; echo new >"$prefix/share/new"',
    'status=0; "$@" || status=$?; ls -A "$archives" >&2; cmp "$archives"/* "$archives.before"; exit $status',
  ].join('; ')
  const inside = [...MOUNTING, script, 'sh', archives, place.prefix]
  const args = [
    `--prefix=${place.prefix}`,
    `--output=${archives}/archive.tar.zst`,
    `--path=${place.local}`,
    '--verbose',
  ]
  const { status, stdout, stderr } = await run(place, args, { inside })
  assert.equal(status, 0, stderr)
  assert.match(stderr, /INFO: Reused \d+ of \d+ frames/)
  assert.match(
    stderr,
    /WARNING: The archive .* can't be written: the file system is full\. Staging continues without an archive/,
  )
  assert.ok(stderr.endsWith('\narchive.tar.zst\n'), stderr)
  const staged = stdout.trimEnd()
  assert.equal((await run(place, ['--verify', `--prefix=${staged}`])).status, 0)
  assert.equal(execFileSync('cat', [`${staged}/share/new`], { encoding: 'utf8' }), 'new\n')
})

for (const [amount, fill, isServed] of [...AMOUNTS, ['many files from a file server', manyFiles, true] as const]) {
  test(`a disk too small for a copy of ${amount} is not filled up, the archive is written, and the error states the room needed`, {
    skip: isServed && (slowfsUnavailable() ?? false),
  }, async (context) => {
    const place = await copiedWorld(context)
    fill(place)
    // These are not in conda's records, so the lack of room shows only in the middle.
    for (let n = 0; n < 30; n++)
      writeFileSync(`${place.prefix}/share/noise-${n}`, randomFillSync(Buffer.alloc(700_000)))
    const script =
      'mount -t tmpfs -o size=14m tmpfs "$1"; disk=$1; shift; "$@"; status=$?; ls -A "$disk" >&2; exit $status'
    const inside = [...MOUNTING.slice(0, -1), '-c', script, 'sh', place.local]
    const server = isServed && (await mountSlow(place.prefix, place.prefix, { latencyMs: 1 }))
    const { status, stderr } = await run(place, stage(place), { inside })
    if (server) await server.unmount()
    assert.equal(status, 1, stderr)
    const [, needed] = /ERROR: .* has too little room: ([\d.]+) MB needed, [\d.]+ MB available/.exec(stderr) ?? []
    assert.ok(Number(needed) > 21, stderr)
    assert.ok(stderr.trimEnd().endsWith('CONDA_STAGE_PATH.'), `something is left: ${stderr}`)
    assert.ok(existsSync(place.archive))
    assert.doesNotMatch((await succeed(place, stage(place))).stderr, /Packaging/)
  })
}

for (const [amount, fill] of AMOUNTS) {
  test(`an unreadable file among ${amount} fails both the archive and the copy, and nothing of either is left`, async (context) => {
    const place = await copiedWorld(context)
    fill(place)
    for (let n = 0; n < 10; n++) writeFileSync(`${place.prefix}/share/a-${n}`, randomFillSync(Buffer.alloc(2_000_000)))
    writeFileSync(`${place.prefix}/share/secret`, 'x', { mode: 0o000 })
    execFileSync('chmod', ['1777', place.local, dirname(place.prefix)])
    const expected = { code: 'UNREADABLE', path: `${place.prefix}/share/secret`, hint: 'read permission' } as const
    await fails(place, stage(place), expected, { inside: UNPRIVILEGED })
  })
}
