import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { slowfsUnavailable } from '../../bench/slowfs/build.ts'
import { mountSlow } from '../../bench/slowfs/mount.ts'
import { pack } from '../../src/index.ts'
import { copiedWorld, stageOf, succeed, type World } from './world.ts'

/** An environment with a site-packages, and a fresh archive. */
async function packed(context: TestContext): Promise<World> {
  const place = await copiedWorld(context)
  mkdirSync(`${place.prefix}/lib/python3.12/site-packages/there-1.0.dist-info`, { recursive: true })
  writeFileSync(`${place.prefix}/lib/python3.12/site-packages/there.py`, 'version = 1\n')
  await packAgain(place, 'quick')
  return place
}

/** Calls pack() as the command line does, and collects its messages. */
async function packAgain(place: World, check: 'quick' | 'full', output?: string) {
  const messages: string[] = []
  const result = await pack({
    prefix: place.prefix,
    env: place.env,
    check,
    ...(output !== undefined && { output }),
    onProgress: (event) => void (event.kind === 'info' && messages.push(event.message)),
  })
  return { ...result, messages }
}

/** The change is reported with its reason and packed. After that the archive is fresh. */
async function isSeen(place: World, change: () => void, reason: string, check: 'quick' | 'full' = 'quick') {
  change()
  const { messages, fresh, reason: told } = await packAgain(place, check)
  const message = `The archive ${place.archive} is out of date: ${reason}`
  assert.deepEqual([messages, fresh, told], [[message], false, message])
  assert.equal((await packAgain(place, 'full')).fresh, true)
}

async function isNotSeen(place: World, change: () => void, check: 'quick' | 'full' = 'quick', output?: string) {
  change()
  const { fresh, messages } = await packAgain(place, check, output)
  assert.equal(fresh, true, messages.join())
}

test('after conda install or remove the archive is out of date, and the message says why', async (context) => {
  const place = await packed(context)
  const reason = 'conda-meta/history has changed (packages were installed or removed)'
  const install = () => {
    appendFileSync(
      `${place.prefix}/conda-meta/history`,
      '==> 2026-11-23 01:02:03 <==\n# cmd: conda install more\n+more-1-0\n',
    )
    writeFileSync(`${place.prefix}/conda-meta/more-1-0.json`, '{"name":"more","version":"1","build":"0","files":[]}')
  }
  await isSeen(place, install, reason)
  const remove = () => {
    appendFileSync(`${place.prefix}/conda-meta/history`, '==> 2026-11-23 01:02:04 <==\n-more-1-0\n')
    rmSync(`${place.prefix}/conda-meta/more-1-0.json`)
  }
  await isSeen(place, remove, reason)
})

test('after pip install and uninstall the archive is out of date, and the message names the package', async (context) => {
  const place = await packed(context)
  const site = 'lib/python3.12/site-packages'
  await isSeen(
    place,
    () => mkdirSync(`${place.prefix}/${site}/new-1.0.dist-info`),
    `${site}/new-1.0.dist-info was added`,
  )
  const uninstall = () => rmSync(`${place.prefix}/${site}/new-1.0.dist-info`, { recursive: true })
  await isSeen(place, uninstall, `${site}/new-1.0.dist-info was removed`)
})

test('after conda env config vars set the archive is out of date, and the message says so', async (context) => {
  const place = await packed(context)
  const set = (value: string) => () =>
    writeFileSync(`${place.prefix}/conda-meta/state`, JSON.stringify({ version: 1, env_vars: { DATA: value } }))
  const reason = 'environment variables were changed (conda-meta/state)'
  await isSeen(place, set('one'), reason)
  await isSeen(place, set('other'), reason)
})

test('a file that comes, goes or is replaced at the top of bin, lib, etc, share or site-packages is noticed and named', async (context) => {
  const place = await packed(context)
  for (const path of [
    'bin/mine',
    'lib/mine.so',
    'etc/mine.conf',
    'share/mine',
    'lib/python3.12/site-packages/mine.py',
    'mine',
  ])
    await isSeen(place, () => writeFileSync(`${place.prefix}/${path}`, 'x'), `${path} was added`)
  await isSeen(place, () => rmSync(`${place.prefix}/bin/mine`), 'bin/mine was removed')
  const replace = () => {
    rmSync(`${place.prefix}/share/mine`)
    symlinkSync('elsewhere', `${place.prefix}/share/mine`)
  }
  await isSeen(place, replace, 'share/mine has changed')
})

test('the next stage after a change says that the archive is out of date and why, packs again, and stages the change', async (context) => {
  const place = await packed(context)
  writeFileSync(`${place.prefix}/bin/mine`, 'new\n')
  const { stdout, stderr } = await succeed(place, [`--prefix=${place.prefix}`, `--path=${place.local}`])
  const starts = [
    'INFO: Staging',
    `INFO: The archive ${place.archive} is out of date: bin/mine was added`,
    'INFO: Packaging',
  ]
  for (const [index, start] of starts.entries()) assert.ok(stderr.split('\n')[index]!.startsWith(start), stderr)
  assert.equal(readFileSync(`${stdout.trimEnd()}/bin/mine`, 'utf8'), 'new\n')
})

test('--check=full notices an edit anywhere, which the quick check does not', async (context) => {
  const place = await packed(context)
  const deep = 'lib/cmake/greet/GreetConfig.cmake'
  await isNotSeen(place, () => appendFileSync(`${place.prefix}/${deep}`, '# edited\n'))
  await isSeen(place, () => {}, `${deep} has changed`, 'full')
  await isSeen(place, () => chmodSync(`${place.prefix}/${deep}`, 0o600), `${deep} has other permissions`, 'full')
})

test('an edit in place of a startup file, kernel or program at the top is noticed, packed, and staged', async (context) => {
  const place = await packed(context)
  const site = 'lib/python3.12/site-packages'
  const files = [`${site}/my.pth`, 'etc/conda/activate.d/my.sh', 'share/jupyter/kernels/my/kernel.json', 'bin/mine']
  for (const path of files) {
    mkdirSync(dirname(`${place.prefix}/${path}`), { recursive: true })
    writeFileSync(`${place.prefix}/${path}`, 'before\n')
  }
  await packAgain(place, 'quick')
  for (const path of files) {
    await isSeen(place, () => appendFileSync(`${place.prefix}/${path}`, 'edited\n'), `${path} has changed`)
    await isNotSeen(place, () => {})
  }
  const staged = await stageOf(place)
  for (const path of files) assert.equal(readFileSync(`${staged}/${path}`, 'utf8'), 'before\nedited\n')
})

test('an edit in place of a file that a conda package owns is packed once, not again and again', async (context) => {
  const place = await packed(context)
  // Of packages' files, those that were written last are looked at.
  const now = new Date()
  utimesSync(`${place.prefix}/bin/greet`, now, now)
  await packAgain(place, 'full')
  await isSeen(place, () => appendFileSync(`${place.prefix}/bin/greet`, 'edited'), 'bin/greet has changed')
  await isNotSeen(place, () => {})
})

test('a fresh archive is recognised with at most 40 operations on a slow file system, whatever is in the environment', {
  skip: slowfsUnavailable() ?? false,
}, async (context) => {
  const place = await packed(context)
  const site = 'lib/python3.12/site-packages'
  const folders = ['etc/conda/activate.d', 'etc/conda/deactivate.d', 'etc/conda/env_vars.d', 'lib/R/library', site]
  for (const folder of folders) {
    mkdirSync(`${place.prefix}/${folder}`, { recursive: true })
    for (let n = 0; n < 50; n++) writeFileSync(`${place.prefix}/${folder}/${n}.pth`, '')
  }
  await packAgain(place, 'quick')
  const slow = join(place.root, 'home')
  const mount = await mountSlow(slow, slow, { latencyMs: 1, bandwidthMb: 0, validSeconds: 60 })
  try {
    const { stderr } = await succeed(place, ['--pack', `--prefix=${place.prefix}`, '--verbose'])
    assert.match(stderr, /is up to date \(quick check\)/)
    const { lookup = 0, getattr = 0, open = 0, opendir = 0 } = await mount.counters()
    assert.ok(lookup + getattr + open + opendir <= 40, JSON.stringify({ lookup, getattr, open, opendir }))
  } finally {
    await mount.unmount()
  }
})

test('running programs from the original makes no archive out of date, by either check', async (context) => {
  const place = await packed(context)
  const run = () => {
    for (const folder of ['lib/python3.12', 'lib/python3.12/site-packages', 'bin', 'share']) {
      mkdirSync(`${place.prefix}/${folder}/__pycache__`)
      writeFileSync(`${place.prefix}/${folder}/__pycache__/there.cpython-312.pyc`, 'code')
    }
  }
  await isNotSeen(place, run)
  await isNotSeen(place, () => {}, 'full')
  await stageOf(place)
})

test('a file that came and went makes no archive out of date, nor does reading', async (context) => {
  const place = await packed(context)
  const comeAndGo = () => {
    writeFileSync(`${place.prefix}/bin/.swp`, '')
    rmSync(`${place.prefix}/bin/.swp`)
    readFileSync(`${place.prefix}/bin/greet`)
    utimesSync(place.prefix, new Date(), new Date())
  }
  await isNotSeen(place, comeAndGo)
  await isNotSeen(place, () => {}, 'full')
})

test('an archive that was moved into the environment and the lock of a package manager do not count as changes', async (context) => {
  const place = await packed(context)
  const inside = `${place.prefix}/share/${basename(place.archive)}`
  renameSync(place.archive, inside)
  await isNotSeen(place, () => writeFileSync(`${place.prefix}/conda-meta/conda-meta.lock`, ''), 'quick', inside)
  await isNotSeen(place, () => {}, 'full', inside)
})

test('a file whose time lies centuries ahead is packed once, found fresh, sound, and has its time in the copy', async (context) => {
  const place = await copiedWorld(context)
  const year2413 = 14_000_000_000
  utimesSync(`${place.prefix}/bin/greet`, year2413, year2413)
  for (const format of ['tar.zst', 'zip']) {
    const args = [`--prefix=${place.prefix}`, `--format=${format}`]
    await succeed(place, ['--pack', ...args])
    assert.match((await succeed(place, ['--pack', ...args])).stderr, /is up to date/)
    await succeed(place, ['--verify', `--output=${place.prefix}.${format}`])
    const copy = await stageOf(place, [`--format=${format}`])
    assert.equal(statSync(`${copy}/bin/greet`).mtimeMs, statSync(`${place.prefix}/bin/greet`).mtimeMs)
    await succeed(place, ['--verify', `--prefix=${copy}`])
  }
})
