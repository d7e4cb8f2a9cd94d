import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { recordedPaths } from '../../src/environment/recorded-paths.ts'
import { readRecords } from '../../src/environment/records.ts'
import { bytePathOf, bytesOf } from '../../src/model/byte-path.ts'
import { makePrefix, put } from '../inventory/prefix.ts'

test("conda's records give each path its package and its placeholder, and old records the package", async (t) => {
  const text = `/${'placehold_'.repeat(25)}`
  const paths = [
    { _path: 'bin/greet', path_type: 'hardlink', prefix_placeholder: text, file_mode: 'binary' },
    { _path: 'share/caf\u00e9', path_type: 'hardlink' },
    { _path: 'bin/odd', prefix_placeholder: text, file_mode: 'other' },
  ]
  const prefix = await makePrefix(t, {
    'conda-meta/greet-1.0-h1_0.json': JSON.stringify({
      name: 'greet',
      version: '1.0',
      build: 'h1_0',
      paths_data: { paths },
    }),
    'conda-meta/old-2-0.json': JSON.stringify({ name: 'old', version: '2', build: '0', files: ['bin/old'] }),
    'conda-meta/notes.txt': 'no record',
  })
  const records = await readRecords(prefix)
  assert.deepEqual(records.warnings, [])
  assert.deepEqual(
    [...records.paths],
    [
      ['bin/greet', { package: 'greet-1.0-h1_0', placeholder: { text, mode: 'binary' } }],
      [bytePathOf('share/caf\u00e9'), { package: 'greet-1.0-h1_0' }],
      ['bin/odd', { package: 'greet-1.0-h1_0' }],
      ['bin/old', { package: 'old-2-0' }],
    ],
  )
})

test('the files of a noarch Python package are found where conda has put them', async (t) => {
  const text = `/${'placehold_'.repeat(25)}`
  const files = ['bin/tool', 'bin/entry', 'share/tool', 'lib/python3.13/site-packages/tool/__init__.py']
  const paths = [
    { _path: 'site-packages/tool/__init__.py', path_type: 'hardlink' },
    { _path: 'python-scripts/tool', prefix_placeholder: text, file_mode: 'text' },
    { _path: 'share/tool', path_type: 'hardlink' },
    { _path: 'bin/entry', path_type: 'unix_python_entry_point' },
  ]
  const record = { name: 'tool', noarch: 'python', files, paths_data: { paths } }
  const prefix = await makePrefix(t, {
    'conda-meta/tool-1-0.json': JSON.stringify(record),
    // Paths in other packages stay as they are.
    'conda-meta/zoo-1-0.json': JSON.stringify({ paths_data: { paths: [{ _path: 'site-packages/zoo.py' }] } }),
  })
  const { paths: found } = await readRecords(prefix)
  assert.deepEqual(
    [...found],
    [
      ['lib/python3.13/site-packages/tool/__init__.py', { package: 'tool-1-0' }],
      ['bin/tool', { package: 'tool-1-0', placeholder: { text, mode: 'text' } }],
      ['share/tool', { package: 'tool-1-0' }],
      ['bin/entry', { package: 'tool-1-0' }],
      ['site-packages/zoo.py', { package: 'zoo-1-0' }],
    ],
  )
})

test('a broken record causes a warning that names it, and the others count', async (t) => {
  const prefix = await makePrefix(t)
  for (const [id, content] of Object.entries({ 'a-1-0': '{"name":', 'b-1-0': '[1]', 'c-1-0': 'null' }))
    await put(prefix, `conda-meta/${id}.json`, content)
  await put(prefix, 'conda-meta/d-1-0.json/folder', '')
  execFileSync('mkfifo', [join(prefix, 'conda-meta/e-1-0.json')])
  await symlink('/dev/zero', join(prefix, 'conda-meta/f-1-0.json'))
  await symlink('/nowhere', join(prefix, 'conda-meta/g-1-0.json'))
  await put(prefix, 'conda-meta/h-1-0.json', '')
  await truncate(join(prefix, 'conda-meta/h-1-0.json'), 100_000_000)
  await put(prefix, 'conda-meta/z-1-0.json', '{"name":"z","files":["bin/z"],"paths_data":{"paths":null}}')
  const { paths, warnings } = await readRecords(prefix)
  assert.deepEqual([...paths.keys()], ['bin/z'])
  assert.deepEqual(warnings, [
    "conda-meta/a-1-0.json can't be used: it is not a record in JSON",
    "conda-meta/b-1-0.json can't be used: it is not a record in JSON",
    "conda-meta/c-1-0.json can't be used: it is not a record in JSON",
    "conda-meta/d-1-0.json can't be used: it is a folder",
    "conda-meta/e-1-0.json can't be used: it is a FIFO",
    "conda-meta/f-1-0.json can't be used: it is a device",
    "conda-meta/g-1-0.json can't be used: it does not exist",
    "conda-meta/h-1-0.json can't be used: it is larger than 67 MB",
  ])
})

test('parts of a record that have another type are passed over with a warning that names it, and the rest counts', async (t) => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  const odd = {
    a: '{"name":"x","version":{"toString":1,"valueOf":1},"files":["bin/a"]}',
    b: `{"name":"x","version":${deep},"files":["bin/b",${deep}]}`,
    c: '{"name":["x"],"files":{"a":1},"paths_data":[]}',
    d: '{"files":["bin/d",1,null,"","nul\\u0000"]}',
    e: `{"paths_data":{"paths":[{"_path":"bin/e","size_in_bytes":1e999},7,null,{"_path":${deep}},{"__proto__":{"_path":"x"}}]}}`,
    f: '{"paths_data":{"paths":[{"_path":"bin/f","prefix_placeholder":{},"file_mode":"text"}]},"files":[1]}',
    g: '{"paths_data":"no","files":["bin/g"]}',
    h: '{"noarch":"python","files":7,"paths_data":{"paths":[{"_path":"site-packages/h.py"}]}}',
  }
  const prefix = await makePrefix(t)
  for (const [id, content] of Object.entries(odd)) await put(prefix, `conda-meta/${id}.json`, content)
  const { paths, warnings } = await readRecords(prefix)
  assert.deepEqual(
    [...paths],
    [
      ['bin/a', { package: 'a' }],
      ['bin/b', { package: 'b' }],
      ['bin/d', { package: 'd' }],
      ['bin/e', { package: 'e' }],
      ['bin/f', { package: 'f' }],
      ['site-packages/h.py', { package: 'h' }],
    ],
  )
  assert.deepEqual(
    warnings,
    [...'abcdefg'].map((id) => `conda-meta/${id}.json has entries of an unknown kind; conda-stage ignores them`),
  )
})

test('any JSON as a record gives paths that a file can have, with sound facts, or is refused as no record', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('text', 'binary', 'python', '/placeholder', 7, -1, 2 ** 53))
  const path = fc.record(
    { _path: fc.oneof(fc.string(), value), prefix_placeholder: value, file_mode: value, size_in_bytes: value },
    { requiredKeys: [] },
  )
  const list = fc.oneof(fc.array(fc.oneof(path, fc.string(), value)), value)
  const record = fc.record(
    { name: value, noarch: value, files: list, paths_data: fc.oneof(fc.record({ paths: list }), value) },
    { requiredKeys: [] },
  )
  const isSound = (any: unknown): void => {
    const { paths } = recordedPaths(JSON.parse(JSON.stringify(any)), 'id', (text) => text)
    for (const [path, { package: id, placeholder, recordedSize = 0 }] of paths) {
      assert.ok(path !== '' && !path.includes('\0') && bytesOf(path).toString('latin1') === path)
      assert.ok(id === 'id' && Number.isSafeInteger(recordedSize) && recordedSize >= 0)
      if (placeholder) assert.ok(['text', 'binary'].includes(placeholder.mode) && placeholder.text.length > 0)
    }
  }
  fc.assert(fc.property(record, isSound), { numRuns: 2000 })
  fc.assert(
    fc.property(fc.jsonValue(), (any) => {
      const isRecord = typeof any === 'object' && any !== null && !Array.isArray(any)
      if (isRecord) isSound(any)
      else assert.throws(() => isSound(any), SyntaxError)
    }),
  )
})

test('any number of records is read, and the last by name wins a path that two list', async (t) => {
  const prefix = await makePrefix(t)
  for (let n = 0; n < 300; n++) {
    await put(prefix, `conda-meta/p${String(n).padStart(3, '0')}-1-0.json`, '{"name":"p","files":["bin/shared"]}')
  }
  const { paths, warnings } = await readRecords(prefix)
  assert.deepEqual(warnings, [])
  assert.deepEqual([...paths], [['bin/shared', { package: 'p299-1-0' }]])
})

test('an environment without records gives no packages and no warnings', async (t) => {
  const prefix = await makePrefix(t)
  assert.deepEqual(await readRecords(join(prefix)), { paths: new Map(), warnings: [] })
})
