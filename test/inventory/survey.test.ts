import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { appendFile, chmod, link, mkdir, rename, rm, symlink, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readRecords } from '../../src/environment/records.ts'
import { type SurveyOptions, survey } from '../../src/inventory/survey.ts'
import { unchangedFiles, withKnownNames } from '../../src/inventory/unchanged.ts'
import { inventory } from '../../src/inventory/walk.ts'
import type { ArchivedEntry } from '../../src/model/archive-index.ts'
import type { BytePath } from '../../src/model/byte-path.ts'
import { makePrefix, NONE, put } from './prefix.ts'

const RECORD = 'conda-meta/greet-1-0.json'
const OTHER = 'conda-meta/other-2-0.json'
const record = (...files: string[]) => JSON.stringify({ files })
const SITE = 'lib/python3.11/site-packages'

interface Archived {
  prefix: string
  known: ArchivedEntry[]
}

/** An environment with two packages, and the entries that an archive of it would have. */
async function archived(context: TestContext, files: Record<string, string> = {}): Promise<Archived> {
  const prefix = await makePrefix(context, {
    [RECORD]: record('lib/libgreet.so', 'share/doc/readme', 'share/deep/a', 'share/deep/b'),
    [OTHER]: record(`${SITE}/package/__init__.py`),
    'share/deep/a': 'recorded',
    'share/deep/b': 'recorded',
    'share/deep/mine': 'not recorded',
    [`${SITE}/package/__pycache__/__init__.cpython-311.pyc`]: 'byte code',
    ...files,
  })
  return { prefix, known: await knownOf(prefix) }
}

async function knownOf(prefix: string): Promise<ArchivedEntry[]> {
  const { paths } = await readRecords(prefix)
  const entries = await inventory({ prefix }, { isExcluded: NONE, records: paths })
  return entries.map((entry) => (entry.type === 'file' ? { ...entry, frame: 0, frameOffset: 0, digest: '' } : entry))
}

/** The survey's result, the files that it calls changed, and the records that it read. */
async function surveyed({ prefix, known }: Archived, options: Partial<SurveyOptions> = {}) {
  const read: string[] = []
  const recordsOf = async (names: readonly string[]) => {
    read.push(...names)
    return (await readRecords(prefix, names)).paths
  }
  const found = await survey({ prefix }, known, { isExcluded: NONE, recordsOf, ...options })
  const { entries } = found
  const unchanged = unchangedFiles(known, entries)
  const changed = entries.flatMap(({ type, path }) => (type === 'file' && !unchanged.has(path) ? [path] : []))
  return { ...found, changed, read }
}

/** Asserts that the survey finds what a look at everything finds. */
async function isComplete(place: Archived) {
  const found = await surveyed(place)
  assert.deepEqual(found.entries, await lookedAt(place))
  return found
}

async function lookedAt({ prefix, known }: Archived) {
  const { paths } = await readRecords(prefix)
  return withKnownNames(known, await inventory({ prefix }, { isExcluded: NONE })).map((entry) => {
    const { package: owner, placeholder } = paths.get(entry.path) ?? {}
    if (entry.type !== 'file' || owner === undefined) return entry
    return { ...entry, package: owner, ...(placeholder && { placeholder }) }
  })
}

/** Replaces a file by renaming, as package managers do. */
async function replace(prefix: string, path: BytePath, content: string) {
  await put(prefix, `${path}.new`, content)
  await rename(join(prefix, `${path}.new`), join(prefix, path))
}

test('in an unchanged environment the survey finds nothing changed and reads no record', async (context) => {
  const { changed, read, missing } = await isComplete(await archived(context))
  assert.deepEqual({ changed, read, missing }, { changed: [], read: [], missing: [] })
})

test('a file that was added, removed, replaced or renamed is noticed, recorded or not, in any folder', async (context) => {
  const place = await archived(context)
  const { prefix } = place
  await replace(prefix, 'share/deep/a', 'other')
  await put(prefix, `${SITE}/package/new.py`, 'new')
  await rm(join(prefix, 'share/doc/readme'))
  await rename(join(prefix, `${SITE}/single.py`), join(prefix, `${SITE}/renamed.py`))
  await put(prefix, 'share/new/deep/file', 'in new folders')
  const { changed, missing } = await isComplete(place)
  assert.deepEqual(changed, [`${SITE}/package/new.py`, `${SITE}/renamed.py`, 'share/deep/a', 'share/new/deep/file'])
  assert.deepEqual(missing, ['share/doc/readme'])
})

test('an edit inside a file is noticed if no conda record lists the file', async (context) => {
  const place = await archived(context)
  for (const path of ['share/deep/mine', 'share/deep/a', 'conda-meta/history'])
    await appendFile(join(place.prefix, path), 'edited')
  const { changed } = await surveyed(place)
  assert.deepEqual(changed, ['conda-meta/history', 'share/deep/mine'])
})

test('an edit of any file is noticed if something was added to or removed from its folder', async (context) => {
  const place = await archived(context)
  await appendFile(join(place.prefix, 'share/deep/a'), 'edited')
  await chmod(join(place.prefix, 'share/deep/b'), 0o755)
  await put(place.prefix, 'share/deep/new', 'new')
  const { changed } = await isComplete(place)
  assert.deepEqual(changed, ['share/deep/a', 'share/deep/b', 'share/deep/new'])
})

test('byte code that Python has written again is noticed', async (context) => {
  const place = await archived(context)
  const path = `${SITE}/package/__pycache__/__init__.cpython-311.pyc`
  await replace(place.prefix, path, 'other code')
  assert.deepEqual((await isComplete(place)).changed, [path])
})

test("an edit of a package's file is noticed if the package's record changed", async (context) => {
  const place = await archived(context)
  await appendFile(join(place.prefix, 'share/deep/a'), 'edited')
  await replace(place.prefix, RECORD, record('share/deep/a', 'share/deep/b', 'lib/gone.so'))
  const { changed, read, missing } = await isComplete(place)
  assert.deepEqual(changed, [RECORD, 'share/deep/a'])
  assert.deepEqual(read, ['greet-1-0'])
  assert.deepEqual(missing, ['lib/gone.so'])
})

test('files get their package and placeholder from a new record, and lose them when their record is gone', async (context) => {
  const place = await archived(context)
  await rm(join(place.prefix, RECORD))
  const paths = [{ _path: 'share/deep/a', prefix_placeholder: '/placeholder', file_mode: 'text' }]
  await put(place.prefix, 'conda-meta/greet-2-0.json', JSON.stringify({ paths_data: { paths } }))
  const { entries, changed } = await isComplete(place)
  const packages = entries.flatMap((entry) =>
    entry.type === 'file' && entry.package ? [[entry.path, entry.package]] : [],
  )
  assert.deepEqual(packages, [
    [`${SITE}/package/__init__.py`, 'other-2-0'],
    ['share/deep/a', 'greet-2-0'],
  ])
  assert.deepEqual(changed, ['conda-meta/greet-2-0.json', 'share/deep/a'])
})

test('a file is scanned again when its record names another placeholder', async (context) => {
  const placeholder = (text: string) =>
    JSON.stringify({ paths_data: { paths: [{ _path: 'share/deep/a', prefix_placeholder: text, file_mode: 'text' }] } })
  const place = await archived(context, { [RECORD]: placeholder('/one') })
  await replace(place.prefix, RECORD, placeholder('/other'))
  assert.deepEqual((await isComplete(place)).changed, [RECORD, 'share/deep/a'])
})

test('a file that vanishes after its folder was listed is an error, unless it is byte code', async (context) => {
  const cache = `${SITE}/package/__pycache__`
  for (const [path, code] of [
    ['share/deep/gone', 'CHANGED'],
    [`${cache}/gone.pyc`, undefined],
  ] as const) {
    const place = await archived(context)
    await put(place.prefix, path, 'new')
    // Exclusions are asked about each name between listing and look-up.
    const isExcluded = (name: BytePath) => {
      if (name === path) unlinkSync(join(place.prefix, path))
      return false
    }
    const found = surveyed(place, { isExcluded })
    if (code) await assert.rejects(found, { code, path: join(place.prefix, path) })
    else assert.ok(!(await found).entries.some((entry) => entry.path === path))
  }
})

test('if two packages list a path, it belongs to the last by name, whether its record is new or not', async (context) => {
  const place = await archived(context)
  await replace(place.prefix, RECORD, record(`${SITE}/package/__init__.py`))
  await put(place.prefix, 'conda-meta/zzz-1-0.json', record('share/deep/b'))
  await isComplete(place)
})

test("files, folders and links that took each other's place are noticed", async (context) => {
  const place = await archived(context)
  const { prefix } = place
  await symlink('deep', join(prefix, 'share/link'))
  place.known = await knownOf(prefix)
  await rm(join(prefix, 'share/deep/a'))
  await mkdir(join(prefix, 'share/deep/a'))
  await put(prefix, 'share/deep/a/inside', '')
  await rm(join(prefix, `${SITE}/package`), { recursive: true })
  await symlink('single.py', join(prefix, `${SITE}/package`))
  await rm(join(prefix, 'share/link'))
  await put(prefix, 'share/link', 'a file')
  assert.deepEqual((await isComplete(place)).changed, ['share/deep/a/inside', 'share/link'])
})

test('a folder whose mode alone has changed gets the new mode, and its files still count as unchanged', async (context) => {
  const place = await archived(context)
  await chmod(join(place.prefix, 'share/deep'), 0o700)
  assert.deepEqual((await isComplete(place)).changed, [])
})

test("a file that is gone is noticed even if its folder's mtime was set back", async (context) => {
  const place = await archived(context)
  const folder = join(place.prefix, 'share/deep')
  await utimes(folder, 1e9, 1e9)
  place.known = await knownOf(place.prefix)
  await unlink(join(folder, 'mine'))
  await utimes(folder, 1e9, 1e9)
  const { entries } = await surveyed(place)
  assert.ok(!entries.some((entry) => entry.path === 'share/deep/mine'))
})

const LINKED = { 'share/deep/b': 'recorded', 'share/pair/one': 'two names', 'share/pair/two': 'two names' }

async function withLinks(context: TestContext): Promise<Archived> {
  const place = await archived(context, LINKED)
  const { prefix } = place
  await rm(join(prefix, 'share/pair/two'))
  await link(join(prefix, 'share/pair/one'), join(prefix, 'share/pair/two'))
  await mkdir(join(prefix, 'share/other'))
  await link(join(prefix, 'share/deep/b'), join(prefix, 'share/other/b'))
  return { prefix, known: await knownOf(prefix) }
}

const linksOf = (entries: readonly { type: string; path: string; target?: string }[]) =>
  entries.flatMap(({ type, path, target }) => (type === 'hardlink' ? [`${path} -> ${target}`] : []))

const LINKS: Record<string, { change(prefix: string): Promise<unknown>; links: string[]; changed: string[] }> = {
  'none of them was touched': {
    change: async () => {},
    links: ['share/other/b -> share/deep/b', 'share/pair/two -> share/pair/one'],
    changed: [],
  },
  'something else came into the folder of the first': {
    change: (prefix) => put(prefix, 'share/deep/new', ''),
    links: ['share/other/b -> share/deep/b', 'share/pair/two -> share/pair/one'],
    changed: ['share/deep/new'],
  },
  'something else came into the folder of the second': {
    change: (prefix) => put(prefix, 'share/other/new', ''),
    links: ['share/other/b -> share/deep/b', 'share/pair/two -> share/pair/one'],
    changed: ['share/other/new'],
  },
  'the first was replaced': {
    change: (prefix) => replace(prefix, 'share/deep/b', 'another file'),
    links: ['share/pair/two -> share/pair/one'],
    changed: ['share/deep/b', 'share/other/b'],
  },
  'the second was replaced': {
    change: (prefix) => replace(prefix, 'share/other/b', 'another file'),
    links: ['share/pair/two -> share/pair/one'],
    changed: ['share/other/b'],
  },
  'the first is gone': {
    change: (prefix) => rm(join(prefix, 'share/deep/b')),
    links: ['share/pair/two -> share/pair/one'],
    changed: ['share/other/b'],
  },
  'a third name came, the first by path': {
    change: (prefix) => link(join(prefix, 'share/deep/b'), join(prefix, 'bin/b')),
    links: ['bin/b -> share/deep/b', 'share/other/b -> share/deep/b', 'share/pair/two -> share/pair/one'],
    changed: [],
  },
  'a name came to a recorded file that had but one': {
    change: (prefix) => link(join(prefix, 'share/deep/a'), join(prefix, 'bin/a')),
    links: ['bin/a -> share/deep/a', 'share/other/b -> share/deep/b', 'share/pair/two -> share/pair/one'],
    changed: [],
  },
}

for (const [what, { change, links, changed }] of Object.entries(LINKS)) {
  test(`hard links of one file stay hard links of it: ${what}`, async (context) => {
    const place = await withLinks(context)
    await change(place.prefix)
    const found = await isComplete(place)
    assert.deepEqual(linksOf(found.entries), links)
    assert.deepEqual(found.changed, changed)
  })
}

test('excluded paths are neither surveyed nor reported missing', async (context) => {
  const place = await archived(context)
  const isExcluded = (path: BytePath) => path === 'share/deep'
  const { entries, missing } = await surveyed(place, { isExcluded })
  assert.ok(!entries.some(({ path }) => path.startsWith('share/deep')))
  assert.deepEqual(missing, [])
})

test('cancelling ends a survey', async (context) => {
  await assert.rejects(surveyed(await archived(context), { signal: AbortSignal.abort('SIGINT') }), {
    code: 'CANCELLED',
  })
})
