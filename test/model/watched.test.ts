import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BytePath } from '../../src/model/byte-path.ts'
import { parentOf } from '../../src/model/byte-path.ts'
import type { Entry } from '../../src/model/entry.ts'
import { chooseSpotChecks, watchedIn } from '../../src/model/watched.ts'

const SITE = 'lib/python3.11/site-packages'

interface File {
  path: BytePath
  /** When it was written. */
  at?: number
  package?: string
}

/** The files, and the folders that they are in. */
function environment(files: readonly File[]): Entry[] {
  const entries = new Map<BytePath, Entry>()
  const folder = (path: BytePath): void => {
    if (path !== '') folder(parentOf(path))
    entries.set(path, { type: 'directory', path, mode: 0o755, mtimeNs: 0n })
  }
  for (const { path, at = 0, package: owner } of [{ path: 'conda-meta/history' }, ...files] as File[]) {
    folder(parentOf(path))
    entries.set(path, {
      type: 'file',
      path,
      mode: 0o644,
      size: 1,
      mtimeNs: BigInt(at),
      ...(owner && { package: owner }),
    })
  }
  return [...entries.values()]
}

const many = (count: number, make: (n: number) => File): File[] => Array.from({ length: count }, (_, n) => make(n))

test("a user's own startup files are checked before those of packages, and those before any other file", () => {
  const chosen = chooseSpotChecks(
    environment([
      ...many(200, (at) => ({ path: `bin/tool${at}`, at: 1000 + at })),
      ...many(200, (at) => ({ path: `etc/conda/activate.d/gcc${at}.sh`, at: 1000 + at, package: 'gcc-1-0' })),
      { path: 'etc/conda/activate.d/mine.sh' },
      { path: `${SITE}/mine.pth` },
      { path: 'share/jupyter/kernels/mine/kernel.json' },
    ]),
  )
  const own = ['etc/conda/activate.d/mine.sh', `${SITE}/mine.pth`, 'share/jupyter/kernels/mine/kernel.json']
  assert.deepEqual(chosen.slice(0, 3), own)
  assert.ok(chosen.length > 3)
  for (const path of chosen.slice(3)) assert.match(path, /^etc\/conda\/activate\.d\/gcc1\d\d\.sh$/)
})

test('many startup files of one kind do not keep those of the other kinds from being checked', () => {
  const others = [`${SITE}/mine.pth`, 'etc/conda/deactivate.d/mine.sh', 'share/jupyter/kernels/mine/kernel.json']
  const chosen = chooseSpotChecks(
    environment([
      ...many(50, (at) => ({ path: `etc/conda/activate.d/${at}.sh`, at: 1000 + at })),
      ...others.map((path) => ({ path })),
    ]),
  )
  for (const path of ['etc/conda/activate.d/49.sh', ...others]) assert.ok(chosen.includes(path), path)
})

test('of equal files those written last are checked, so an edited file is checked from then on', () => {
  const files = many(500, (at) => ({ path: `bin/tool${at}`, at }))
  const before = chooseSpotChecks(environment(files))
  assert.ok(before.length > 5 && !before.includes('bin/tool7'))
  assert.deepEqual(
    before,
    many(before.length, (n) => ({ path: `bin/tool${499 - n}` })).map(({ path }) => path),
  )
  files[7] = { path: 'bin/tool7', at: 1000 }
  assert.equal(chooseSpotChecks(environment(files))[0], 'bin/tool7')
})

test('in a small environment, every file directly in a watched folder is checked, but not byte code and records', () => {
  const files = ['bin/a', 'etc/b', 'lib/c.so', `${SITE}/d.py`, 'e', 'share/f', 'conda-meta/pinned'].map((path) => ({
    path,
  }))
  const others = [`${SITE}/d.pyc`, `${SITE}/package/g.py`, 'conda-meta/a-1-0.json', 'share/doc/h'].map((path) => ({
    path,
  }))
  assert.deepEqual(chooseSpotChecks(environment([...files, ...others])).sort(), files.map(({ path }) => path).sort())
})

test('a quick check makes at most 26 look-ups in any environment, folders on the way included', () => {
  const folders = [
    'bin',
    'etc/conda/activate.d',
    'etc/conda/deactivate.d',
    'etc/conda/env_vars.d',
    'lib/R/library',
    SITE,
  ]
  const files = folders.flatMap((folder) => many(300, (n) => ({ path: `${folder}/${n}.pth` })))
  const kernels = many(300, (n) => ({ path: `share/jupyter/kernels/${n}/kernel.json` }))
  for (const kind of [files, kernels, [...files, ...kernels], []]) {
    const entries = environment(kind)
    const names = new Set<BytePath>([''])
    for (let path of [...watchedIn(entries), ...chooseSpotChecks(entries)])
      for (; path !== ''; path = parentOf(path)) names.add(path)
    assert.ok(names.size <= 26, String(names.size))
    if (kind.length > 0) assert.ok(names.size >= 25, String(names.size))
  }
})

test('a watched path that is missing is looked at only if nothing else would show that it comes', () => {
  assert.deepEqual(watchedIn(environment([])), ['conda-meta/history', 'conda-meta', ''])
  const jupyter = watchedIn(environment([{ path: 'share/jupyter/config' }]))
  assert.ok(jupyter.includes('share/jupyter/kernels') && !jupyter.includes('etc/conda'))
})
