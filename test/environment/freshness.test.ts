import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFile, chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decodeHead, encodeHead } from '../../src/archive/index/head.ts'
import { checkFull, checkQuick } from '../../src/environment/freshness.ts'
import { exclusions, type IsExcluded } from '../../src/inventory/exclusions.ts'
import { inventory } from '../../src/inventory/walk.ts'
import type { ArchivedEntry, ArchiveIndex } from '../../src/model/archive-index.ts'
import { bytePathOf } from '../../src/model/byte-path.ts'
import type { Entry } from '../../src/model/entry.ts'
import { chooseSpotChecks } from '../../src/model/watched.ts'
import { makePrefix, NONE, put, temporaryFolder } from '../inventory/prefix.ts'

const SITE = 'lib/python3.11/site-packages'

interface Packed {
  prefix: string
  entries: Entry[]
}

/** A small environment, and its entries as an archive would hold them. */
async function packed(t: TestContext, files: Record<string, string> = {}): Promise<Packed> {
  const prefix = await makePrefix(t, files)
  return { prefix, entries: await inventory({ prefix }, { isExcluded: NONE }) }
}

/** The head of an archive with these entries. */
function headOf(entries: readonly Entry[]) {
  const facts = { generator: 'test', platform: 'linux-64', name: 'env', prefixes: ['/env'], created: '' }
  const index = { version: 1, format: 'tar.zst', ...facts, entries: entries as ArchivedEntry[], frames: [] }
  return decodeHead(encodeHead(index as ArchiveIndex))
}

const quick = ({ prefix, entries }: Packed, isExcluded: IsExcluded = NONE) => {
  const { watched, spotChecks } = headOf(entries)
  return checkQuick({ prefix }, { entries: watched, spotChecks }, { isExcluded, all: async () => entries })
}

/** The quick check with the whole index. */
const quickByIndex = ({ prefix, entries }: Packed) =>
  checkQuick({ prefix }, { entries, spotChecks: chooseSpotChecks(entries) }, { isExcluded: NONE })

const full = async ({ prefix, entries }: Packed, isExcluded: IsExcluded = NONE) =>
  checkFull({ entries }, await inventory({ prefix }, { isExcluded }))

const reasonOf = (freshness: Awaited<ReturnType<typeof quick>>) => (freshness.fresh ? 'fresh' : freshness.reason)

/** A change of the environment, and what the quick and the full check say about it. */
interface Case {
  what: string
  files?: Record<string, string>
  change(prefix: string): Promise<unknown>
  quick: string
  full?: string
}

const CASES: Case[] = [
  { what: 'nothing is done', change: async () => {}, quick: 'fresh' },
  {
    what: 'conda installs a package',
    change: async (prefix) => {
      await put(prefix, 'conda-meta/new-1.0-0.json', '{}')
      await appendFile(join(prefix, 'conda-meta/history'), '+new-1.0-0\n')
    },
    quick: 'conda-meta/history has changed (packages were installed or removed)',
    full: 'conda-meta/history has changed (packages were installed or removed) (and 1 more)',
  },
  {
    what: 'a tool that keeps no history installs a package',
    change: (prefix) => put(prefix, 'conda-meta/new-1.0-0.json', '{}'),
    quick: 'conda-meta/new-1.0-0.json was added',
  },
  {
    what: 'variables are set for the first time',
    change: (prefix) => put(prefix, 'conda-meta/state', '{"env_vars":{"A":"1"}}'),
    quick: 'environment variables were changed (conda-meta/state)',
  },
  {
    what: 'variables are set to other values',
    files: { 'conda-meta/state': '{"env_vars":{"A":"1"}}' },
    change: (prefix) => writeFile(join(prefix, 'conda-meta/state'), '{"env_vars":{"A":"2"}}'),
    quick: 'environment variables were changed (conda-meta/state)',
  },
  { what: 'a program is added', change: (prefix) => put(prefix, 'bin/foo', ''), quick: 'bin/foo was added' },
  {
    what: 'a program is removed',
    change: (prefix) => rm(join(prefix, 'bin/python3')),
    quick: 'bin/python3 was removed',
  },
  {
    what: 'a program is replaced by rename',
    change: async (prefix) => {
      await put(prefix, 'bin/.new', '#!/bin/sh\n')
      await rename(join(prefix, 'bin/.new'), join(prefix, 'bin/python3'))
    },
    quick: 'bin/python3 has changed',
  },
  {
    what: 'a program becomes a link, and another comes',
    change: async (prefix) => {
      await rm(join(prefix, 'bin/python3'))
      await symlink('/usr/bin/python3', join(prefix, 'bin/python3'))
      await put(prefix, 'bin/zoo', '')
    },
    quick: 'bin/python3 has changed (and 1 more)',
  },
  {
    what: 'a library is added',
    change: (prefix) => put(prefix, 'lib/libnew.so', ''),
    quick: 'lib/libnew.so was added',
  },
  { what: 'a file is put beside bin', change: (prefix) => put(prefix, 'note', ''), quick: 'note was added' },
  { what: 'etc gets a file', change: (prefix) => put(prefix, 'etc/new.conf', ''), quick: 'etc/new.conf was added' },
  {
    what: 'share gets a folder',
    change: (prefix) => put(prefix, 'share/new/f', ''),
    quick: 'share/new was added',
    full: 'share/new was added (and 1 more)',
  },
  {
    what: 'an activation script is added',
    change: (prefix) => put(prefix, 'etc/conda/activate.d/x.sh', ''),
    quick: 'etc/conda/activate.d/x.sh was added',
  },
  {
    what: 'scripts for deactivation come for the first time',
    change: (prefix) => put(prefix, 'etc/conda/deactivate.d/x.sh', ''),
    quick: 'etc/conda/deactivate.d was added',
    full: 'etc/conda/deactivate.d was added (and 1 more)',
  },
  {
    what: 'a module is added to site-packages',
    change: (prefix) => put(prefix, `${SITE}/new.py`, ''),
    quick: `${SITE}/new.py was added`,
  },
  {
    what: 'a package is installed again, with all names as before',
    change: async (prefix) => {
      const folder = join(prefix, SITE, 'package')
      execFileSync('cp', ['-r', folder, `${folder}~`])
      await rm(folder, { recursive: true })
      await rename(`${folder}~`, folder)
    },
    quick: `${SITE}/package/__init__.py has changed`,
  },
  {
    what: 'an R package is installed again',
    files: { 'lib/R/library/base/DESCRIPTION': 'Version: 1' },
    change: async (prefix) => {
      await rm(join(prefix, 'lib/R/library/base'), { recursive: true })
      await put(prefix, 'lib/R/library/base/DESCRIPTION', 'Version: 2')
    },
    quick: 'lib/R/library/base/DESCRIPTION has changed',
  },
  {
    what: 'a watched folder may no longer be written',
    change: (prefix) => chmod(join(prefix, 'bin'), 0o555),
    quick: 'bin has other permissions',
  },
  {
    what: 'a module without source comes',
    change: (prefix) => put(prefix, `${SITE}/secret.pyc`, ''),
    quick: `${SITE}/secret.pyc was added`,
  },
  {
    what: 'a name holds what is no ASCII',
    change: (prefix) => put(prefix, 'bin/caf\u00e9', ''),
    quick: 'bin/caf\u00e9 was added',
  },
  // Edits in place, which change the mtime of no folder.
  ...[
    `${SITE}/conda.pth`,
    `${SITE}/tool.egg-link`,
    `${SITE}/sitecustomize.py`,
    `${SITE}/single.py`,
    'lib/python3.11/usercustomize.py',
    'etc/conda/activate.d/greet.sh',
    'etc/conda/deactivate.d/bye.fish',
    'etc/conda/env_vars.d/data.json',
    'share/jupyter/kernels/mine/kernel.json',
    'bin/python3',
    'lib/libgreet.so',
    'etc/my.conf',
    'lib/R/library/notes',
    '.condarc',
  ].map((path) => ({
    what: `${path} is edited in place`,
    files: { [path]: 'before\n' },
    change: (prefix: string) => writeFile(join(prefix, path), 'behind\n'),
    quick: `${path} has changed`,
  })),
  {
    what: 'an activation script may no longer be read by others',
    change: (prefix) => chmod(join(prefix, 'etc/conda/activate.d/greet.sh'), 0o600),
    quick: 'etc/conda/activate.d/greet.sh has other permissions',
  },
  {
    what: 'a kernel is added',
    files: { 'share/jupyter/kernels/mine/kernel.json': '{}' },
    change: (prefix) => put(prefix, 'share/jupyter/kernels/other/kernel.json', '{}'),
    quick: 'share/jupyter/kernels/other was added',
    full: 'share/jupyter/kernels/other was added (and 1 more)',
  },
  {
    what: 'a first kernel is added',
    files: { 'share/jupyter/nbconvert/x': '' },
    change: (prefix) => put(prefix, 'share/jupyter/kernels/other/kernel.json', '{}'),
    quick: 'share/jupyter/kernels was added',
    full: 'share/jupyter/kernels was added (and 2 more)',
  },
  {
    what: 'the first R package is installed',
    files: { 'lib/R/etc/Renviron': '' },
    change: (prefix) => put(prefix, 'lib/R/library/base/DESCRIPTION', 'Version: 1'),
    quick: 'lib/R/library was added',
    full: 'lib/R/library was added (and 2 more)',
  },
  // Changes that only the full check notices.
  {
    what: 'a file deep below is edited',
    change: (prefix) => writeFile(join(prefix, 'share/doc/readme'), 'edited\n'),
    quick: 'fresh',
    full: 'share/doc/readme has changed',
  },
  {
    what: 'a file in a package is edited in place',
    change: (prefix) => appendFile(join(prefix, SITE, 'package/__init__.py'), 'x = 1\n'),
    quick: 'fresh',
    full: `${SITE}/package/__init__.py has changed`,
  },
  {
    what: 'a file may no longer be run',
    change: (prefix) => chmod(join(prefix, 'share/doc/readme'), 0o600),
    quick: 'fresh',
    full: 'share/doc/readme has other permissions',
  },
  // Files that programs leave behind are no change.
  {
    what: 'Python writes byte code of all kinds',
    files: { [`${SITE}/old.py`]: '', [`${SITE}/package/__pycache__/__init__.cpython-311.pyc`]: 'old' },
    change: async (prefix) => {
      await put(prefix, `${SITE}/__pycache__/single.cpython-311.pyc`, '')
      await put(prefix, `${SITE}/package/__pycache__/__init__.cpython-311.pyc`, 'newer')
      await put(prefix, 'bin/__pycache__/tool.cpython-311.pyc', '')
      await put(prefix, `${SITE}/old.pyc`, '')
    },
    quick: 'fresh',
  },
  {
    what: 'a temporary file comes and goes at the top of lib',
    change: async (prefix) => {
      await put(prefix, 'lib/tmp', '')
      await rm(join(prefix, 'lib/tmp'))
    },
    quick: 'fresh',
  },
  {
    what: 'a program writes below share/doc and has a temporary file in share',
    change: async (prefix) => {
      await put(prefix, 'share/tmp', '')
      await rm(join(prefix, 'share/tmp'))
      await put(prefix, 'share/doc/x', '')
    },
    quick: 'fresh',
    full: 'share/doc/x was added',
  },
  {
    what: 'a program writes below share/doc',
    change: (prefix) => mkdir(join(prefix, 'share/doc/x')),
    quick: 'fresh',
    full: 'share/doc/x was added',
  },
]

for (const { what, files, change, quick: quickly, full: fully } of CASES) {
  test(`when ${what}, the quick check says "${quickly}", the full one "${fully ?? quickly}"`, async (t) => {
    const state = await packed(t, files)
    await change(state.prefix)
    assert.equal(reasonOf(await quick(state)), quickly)
    assert.equal(reasonOf(await quickByIndex(state)), quickly)
    assert.equal(reasonOf(await full(state)), fully ?? quickly)
  })
}

test('a difference names its path by bytes, whatever the encoding of the name', async (t) => {
  const state = await packed(t)
  await put(state.prefix, 'bin/caf\u00e9', '')
  const freshness = await quick(state)
  assert.ok(!freshness.fresh)
  assert.equal(freshness.path, bytePathOf('bin/caf\u00e9'))
})

test('running a real Python from the environment makes no archive out of date', async (t) => {
  const state = await packed(t, { [`${SITE}/package/sub/deep.py`]: '', [`${SITE}/package/sub/__init__.py`]: '' })
  const env = { PATH: '/usr/bin:/bin', PYTHONPATH: join(state.prefix, SITE) }
  execFileSync('python3', ['-c', 'import single, package.sub.deep'], { env })
  const cache = execFileSync('find', [state.prefix, '-name', '*.pyc'], { encoding: 'utf8' })
  assert.equal(cache.trimEnd().split('\n').length, 4, 'Python wrote its byte code')
  assert.equal(reasonOf(await quick(state)), 'fresh')
  assert.equal(reasonOf(await full(state)), 'fresh')
})

test('package caches of base, locks and an archive inside the prefix make no archive out of date', async (t) => {
  const state = await packed(t)
  const { prefix } = state
  await put(prefix, 'pkgs/urls.txt', '')
  await put(prefix, 'conda-meta/conda-meta.lock', '')
  await put(prefix, 'bin/env.tar.zst', '')
  const isExcluded = exclusions({ prefix, real: prefix, isBase: true }, [join(prefix, 'bin/env.tar.zst')])
  assert.equal(reasonOf(await quick(state, isExcluded)), 'fresh')
  assert.equal(reasonOf(await full(state, isExcluded)), 'fresh')
})

test('the full check notices that two names are no longer one file', async (t) => {
  const prefix = await makePrefix(t, { 'bin/a': 'x' })
  execFileSync('ln', [join(prefix, 'bin/a'), join(prefix, 'bin/b')])
  const entries = await inventory({ prefix }, { isExcluded: NONE })
  assert.equal(reasonOf(await full({ prefix, entries })), 'fresh')
  execFileSync('cp', ['-p', join(prefix, 'bin/a'), join(prefix, 'bin/c')])
  await rename(join(prefix, 'bin/c'), join(prefix, 'bin/b'))
  assert.equal(reasonOf(await full({ prefix, entries })), 'bin/b has changed')
})

test('the full check finds nothing changed, whichever name of a file the archive has its content under', async (t) => {
  const prefix = await makePrefix(t, { 'bin/a': 'x' })
  for (const name of ['b', 'c']) execFileSync('ln', [join(prefix, 'bin/a'), join(prefix, `bin/${name}`)])
  const entries = (await inventory({ prefix }, { isExcluded: NONE })).map((entry): Entry => {
    if (entry.path !== 'bin/a' && entry.type !== 'hardlink') return entry
    const { mode, mtimeNs } = entry
    if (entry.path === 'bin/b') return { type: 'file', path: 'bin/b', mode, mtimeNs, size: 1 }
    return { type: 'hardlink', path: entry.path, mode, mtimeNs, target: 'bin/b' }
  })
  assert.equal(reasonOf(await full({ prefix, entries })), 'fresh')
  await rm(join(prefix, 'bin/b'))
  assert.match(reasonOf(await full({ prefix, entries })), /^bin\/b was removed/)
})

test('the full check notices a link that leads elsewhere, even with the same mtime', async (t) => {
  const prefix = await makePrefix(t)
  const point = async (target: string) => {
    await rm(join(prefix, 'share/link'), { force: true })
    await symlink(target, join(prefix, 'share/link'))
    execFileSync('touch', ['-h', '-d', '2020-01-01', join(prefix, 'share/link')])
  }
  await point('one')
  const entries = await inventory({ prefix }, { isExcluded: NONE })
  await point('two')
  assert.equal(reasonOf(await full({ prefix, entries })), 'share/link has changed')
})

test('the quick check notices another size of a file, even with the same mtime', async (t) => {
  const state = await packed(t)
  const history = join(state.prefix, 'conda-meta/history')
  const was = state.entries.find((entry) => entry.path === 'conda-meta/history')!
  await appendFile(history, 'more\n')
  execFileSync('touch', [
    '-d',
    `@${was.mtimeNs / 1_000_000_000n}.${String(was.mtimeNs % 1_000_000_000n).padStart(9, '0')}`,
    history,
  ])
  assert.equal(reasonOf(await quick(state)), 'conda-meta/history has changed (packages were installed or removed)')
})

test('the head of an archive has every path that the quick check looks at', async (t) => {
  const kernel = 'share/jupyter/kernels/mine/kernel.json'
  const { entries } = await packed(t, { [kernel]: '{}', 'lib/python3.11/sitecustomize.py': '' })
  const { watched, spotChecks } = headOf(entries)
  const paths = watched.map(({ path }) => path)
  assert.ok(spotChecks.includes(kernel) && spotChecks.includes('lib/python3.11/sitecustomize.py'))
  for (const path of spotChecks) assert.ok(paths.includes(path), path)
  assert.deepEqual([...paths].sort(), paths)
})

test('the quick check makes at most 26 look-ups, even with hundreds of startup files', async (t) => {
  const files: Record<string, string> = {}
  const folders = [
    'etc/conda/activate.d',
    'etc/conda/deactivate.d',
    'etc/conda/env_vars.d',
    SITE,
    'lib/R/library',
    'bin',
  ]
  for (const folder of folders) for (let n = 0; n < 50; n++) files[`${folder}/${n}.pth`] = ''
  for (let n = 0; n < 50; n++) files[`share/jupyter/kernels/${n}/kernel.json`] = '{}'
  const { prefix, entries } = await packed(t, files)
  const { watched, spotChecks } = headOf(entries)
  const folder = await temporaryFolder(t)
  const head = watched.map((entry) => ({ ...entry, mtimeNs: String(entry.mtimeNs) }))
  await writeFile(join(folder, 'head.json'), JSON.stringify({ entries: head, spotChecks }))
  const code = `import { checkQuick } from '${new URL('../../src/environment/freshness.ts', import.meta.url)}'
    import { readFileSync } from 'node:fs'
    const head = JSON.parse(readFileSync('${folder}/head.json', 'utf8'))
    for (const entry of head.entries) entry.mtimeNs = BigInt(entry.mtimeNs)
    console.log(JSON.stringify(await checkQuick({ prefix: '${prefix}' }, head, { isExcluded: () => false })))`
  await writeFile(join(folder, 'check.mjs'), code)
  const program = [process.execPath, join(folder, 'check.mjs')]
  const trace = ['-f', '-y', '-e', 'trace=%file,%desc', '-o', join(folder, 'trace'), ...program]
  const { error, status, stdout, stderr } = spawnSync('strace', trace, {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', UV_USE_IO_URING: '0' },
  })
  assert.equal(error, undefined, 'strace is needed (apt install strace)')
  assert.equal(status, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), { fresh: true })
  const calls = (await readFile(join(folder, 'trace'), 'utf8')).split('\n')
  // A call that another thread interrupts is traced twice. The second half repeats no path.
  const onOriginal = calls.filter((call) => call.includes(`"${prefix}`) || call.includes(`<${prefix}`))
  assert.ok(onOriginal.length <= 26, onOriginal.join('\n'))
})
