import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { editableInstalls } from '../../src/environment/editable.ts'
import { listTree } from '../../src/inventory/list.ts'
import { makePrefix, NONE, put } from '../inventory/prefix.ts'

const SITE = 'lib/python3.11/site-packages'

/** `files` go into site-packages. PREFIX in their content stands for the environment. */
async function installs(t: TestContext, files: Record<string, string>) {
  const prefix = await makePrefix(t)
  await symlink(prefix, `${prefix}-alias`)
  for (const [name, content] of Object.entries(files)) {
    await put(prefix, `${SITE}/${name}`, content.replaceAll('PREFIX', prefix))
  }
  const { entries } = await listTree({ prefix }, { isExcluded: NONE })
  return editableInstalls({ prefix, real: prefix }, entries)
}

const directUrl = (url: string, editable = true) => JSON.stringify({ url, dir_info: { editable } })

test('a pip install -e is reported once, however many files name its sources', async (t) => {
  const found = await installs(t, {
    'my_tool-1.0.dist-info/direct_url.json': directUrl('file:///home/me/my%20tool'),
    '__editable__.my_tool-1.0.pth': '/home/me/my tool/src\n',
    '__editable___my_tool_1_0_finder.py': "MAPPING: dict[str, str] = {'my_tool': '/home/me/my tool/src/my_tool'}\n",
  })
  assert.deepEqual(found, [{ project: 'my_tool', target: '/home/me/my tool' }])
})

test('sources named by egg-links, finder modules and .pth files are reported, absolute or relative', async (t) => {
  const found = await installs(t, {
    'old-tool.egg-link': '/home/me/old\n.',
    'easy-install.pth': '/home/me/old\n/home/me/another\n',
    '__editable___pack_2_0_finder.py':
      "from x import y\nMAPPING: dict[str, str] = {'one': '/src/it\\'s/one', \"two\": \"/src/two\"}\nNAMESPACES = {}\n",
    '__editable__.plain-3.1.pth': '\uFEFF/src/plain\r\n',
    'relative.pth': '# a comment\n\n../../../../outside\n',
  })
  assert.deepEqual(
    found.map(({ project, target }) => [project, target.replace(/^.*\/outside$/, 'outside')]),
    [
      ['easy-install', '/home/me/another'],
      ['old-tool', '/home/me/old'],
      ['one', "/src/it's/one"],
      ['plain', '/src/plain'],
      ['relative', 'outside'],
      ['two', '/src/two'],
    ],
  )
})

test('sources that are linked into site-packages count as used from where they are', async (t) => {
  const prefix = await makePrefix(t, { [`${SITE}/old.egg-link`]: '../../../../sources/old\n' })
  const links = {
    'one.py': '../../../../sources/one.py',
    two: '/sources/two',
    'inside.py': 'single.py',
    'again.py': '../../../../env/lib/python3.11/site-packages/single.py',
    'old.py': '../../../../sources/old/old.py',
    'cached.py': '/conda/pkgs/cached-1.0/site-packages/cached.py',
    'two.dist-info': '/sources/two.dist-info',
    'recorded.py': '/conda/cache/recorded.py',
  }
  for (const [name, target] of Object.entries(links)) await symlink(target, `${prefix}/${SITE}/${name}`)
  const records = new Map([[`${SITE}/recorded.py`, { package: 'recorded-1-0' }]])
  const { entries } = await listTree({ prefix }, { isExcluded: NONE, records })
  const found = await editableInstalls({ prefix, real: prefix }, entries)
  const outside = dirname(prefix)
  assert.deepEqual(found, [
    { project: 'old', target: `${outside}/sources/old` },
    { project: 'one', target: `${outside}/sources/one.py` },
    { project: 'two', target: '/sources/two' },
  ])
})

test('nothing is reported for sources inside the environment, for code in .pth files and for ordinary installs', async (t) => {
  const found = await installs(t, {
    'inside-1.0.dist-info/direct_url.json': directUrl('file://PREFIX/src/inside'),
    'inside.pth': 'PREFIX/src/inside\nsub/folder\nPREFIX-alias/share/doc\n',
    'code.pth': "import sys; sys.path.append('/home/me')\nimport\tos\n",
    'wheel-1.0.dist-info/direct_url.json': directUrl('file:///home/me/wheel', false),
    'broken-1.0.dist-info/direct_url.json': '{',
    'git-1.0.dist-info/direct_url.json': '{"url":"https://example.org/x.git","vcs_info":{"vcs":"git"}}',
    'empty.egg-link': '',
  })
  assert.deepEqual(found, [])
})

test('sources in a folder whose path merely begins like the environment count as outside', async (t) => {
  const found = await installs(t, { 'other.pth': 'PREFIX2/src\n' })
  assert.equal(found.length, 1)
  assert.equal(found[0]?.project, 'other')
})
