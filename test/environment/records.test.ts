import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { readRecords } from '../../src/environment/records.ts'
import { bytePathOf } from '../../src/model/byte-path.ts'
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
  assert.deepEqual(records.packages, [
    { name: 'greet', version: '1.0', build: 'h1_0' },
    { name: 'old', version: '2', build: '0' },
  ])
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
  const broken = { 'a-1-0': '{"name":', 'b-1-0': '[1]', 'c-1-0': 'null', 'd-1-0': '{"files":[1,null],"name":7}' }
  const prefix = await makePrefix(t)
  for (const [id, content] of Object.entries(broken)) await put(prefix, `conda-meta/${id}.json`, content)
  await put(prefix, 'conda-meta/e-1-0.json/folder', '')
  await put(prefix, 'conda-meta/z-1-0.json', '{"name":"z","files":["bin/z"],"paths_data":{"paths":null}}')
  const { paths, packages, warnings } = await readRecords(prefix)
  assert.deepEqual([...paths.keys()], ['bin/z'])
  assert.deepEqual(
    packages.map((one) => one.name),
    ['z'],
  )
  assert.deepEqual(
    warnings.map((warning) => warning.split(' ')[0]),
    ['a-1-0', 'c-1-0', 'e-1-0'].map((id) => `conda-meta/${id}.json`),
  )
})

test('any number of records is read, and the last by name wins a path that two list', async (t) => {
  const prefix = await makePrefix(t)
  for (let n = 0; n < 300; n++) {
    await put(prefix, `conda-meta/p${String(n).padStart(3, '0')}-1-0.json`, '{"name":"p","files":["bin/shared"]}')
  }
  const { paths, packages } = await readRecords(prefix)
  assert.equal(packages.length, 300)
  assert.deepEqual([...paths], [['bin/shared', { package: 'p299-1-0' }]])
})

test('an environment without records gives no packages and no warnings', async (t) => {
  const prefix = await makePrefix(t)
  assert.deepEqual(await readRecords(join(prefix)), { paths: new Map(), packages: [], warnings: [] })
})
