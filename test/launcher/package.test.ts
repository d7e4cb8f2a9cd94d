import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { bundle } from '../../scripts/bundle.ts'
import { temporaryFolder as cliFolder, run } from '../cli/world.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

const ROOT = join(import.meta.dirname, '../..')
const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** The names of what `npm pack` puts into the package, without a build. */
function packed(): Set<string> {
  const list = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8' })
  const [{ files }] = JSON.parse(list) as [{ files: { path: string }[] }]
  return new Set(files.map(({ path }) => path))
}

test('links of README and docs lead to a file of the package, except those to the bench', () => {
  const files = packed()
  for (const file of ['README.md', ...globSync('docs/*.md', { cwd: ROOT })]) {
    assert.ok(files.has(file), file)
    for (const [, link = ''] of readFileSync(join(ROOT, file), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      const target = relative(ROOT, resolve(ROOT, dirname(file), link))
      assert.ok(existsSync(join(ROOT, target)), `${file} links to ${link}`)
      assert.ok(files.has(target) || target.startsWith('bench/'), `${file} links to ${link}, which the package lacks`)
    }
  }
})

test('a Node that is too old for the library is named when it imports the library, and is not among the engines', async (t) => {
  const folder = await temporaryFolder(t)
  await bundle(join(folder, 'dist'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  // A Node of which only the version is older.
  const importAs = (version: string) =>
    spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `Object.defineProperty(process.versions, 'node', { value: '${version}' })
        await import('${join(folder, 'dist/index.js')}')`,
      ],
      { encoding: 'utf8' },
    )
  for (const version of ['20.20.2', '22.14.9', '23.7.0'])
    assert.match(
      importAs(version).stderr,
      /Error: conda-stage can be imported by Node\.js 22\.15, 23\.8 or newer; this is v/,
    )
  for (const version of ['22.15.0', '23.8.0', '26.0.0']) assert.equal(importAs(version).status, 0)
  assert.equal(engines.node, '^22.15.0 || >=23.8.0')
})

test('the library names what it takes from zlib after its check of the version, since an older Node lacks some of it', async (t) => {
  const folder = await temporaryFolder(t)
  await bundle(folder)
  assert.doesNotMatch(readFileSync(join(folder, 'index.js'), 'utf8'), /\bfrom ?"node:zlib"/)
})

test('a page of the documentation that an error names is there, at the path that it gives', async (context) => {
  const root = cliFolder(context)
  mkdirSync(join(root, '.config/conda-stage'), { recursive: true })
  writeFileSync(join(root, '.config/conda-stage/config.yaml'), 'nonsense: 1\n')
  const { stderr } = await run({ env: { HOME: root, PATH: '/usr/bin:/bin' } }, ['--pack'])
  const [page = ''] = /\/\S+\.md/.exec(stderr) ?? []
  assert.ok(page.endsWith('/docs/configuration.md') && existsSync(page), stderr)
})
