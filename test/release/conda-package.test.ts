import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { copiedWorld, temporaryFolder } from '../cli/world.ts'
import { readyCache } from '../fixtures/cache.ts'
import { bare, parts, printed } from './built.ts'

const ROOT = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const RATTLER_BUILD = '0.73.0'

/** Writes the npm package of these sources, as `npm pack` does after a build. */
async function npmPackage(folder: string): Promise<void> {
  const { what } = await parts()
  const sources = join(folder, 'sources')
  mkdirSync(sources)
  for (const name of [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'bin',
    'docs',
    'share',
  ])
    cpSync(join(ROOT, name), join(sources, name), { recursive: true })
  cpSync(what.dist, join(sources, 'dist'), { recursive: true })
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: sources, stdio: 'pipe' })
}

/** The folder of rattler-build's Python package, from PyPI. It stays in the tests' cache. */
function rattlerBuild(root: string, python: string): string {
  const folder = join(root, `rattler-build-${RATTLER_BUILD}`)
  if (existsSync(folder)) return folder
  const aside = `${folder}.new`
  rmSync(aside, { recursive: true, force: true })
  const args = ['install', '--quiet', '--no-deps', '--target', aside, `py-rattler-build==${RATTLER_BUILD}`]
  execFileSync(python, ['-m', 'pip', ...args], { stdio: 'pipe' })
  renameSync(aside, folder)
  return folder
}

test("rattler-build makes a conda package; rattler installs it with conda's Node; it stages other environments, but not its own", async (context) => {
  const folder = temporaryFolder(context)
  const { root, python } = await readyCache('small')
  await npmPackage(folder)
  cpSync(join(ROOT, 'packaging/conda'), join(folder, 'packaging/conda'), { recursive: true })
  const channel = join(folder, 'channel')
  const build = [
    join(import.meta.dirname, 'conda_package.py'),
    join(folder, 'packaging/conda/recipe.yaml'),
    channel,
    process.execPath,
    process.versions.node,
  ]
  const env = { ...process.env, PYTHONPATH: rattlerBuild(root, python) }
  execFileSync(python, ['-B', ...build], { env, stdio: 'pipe', timeout: 120_000 })

  const prefix = join(folder, 'a base')
  const packages = join(folder, 'packages')
  const order = { prefix, channels: [channel], specs: ['conda-stage'], packages, link: 'copy', variables: {} }
  execFileSync(python, ['-B', join(ROOT, 'test/fixtures/builder/install.py'), JSON.stringify(order)])
  const launcher = join(prefix, 'bin/conda-stage')
  assert.equal(printed([launcher, '--version']), `${version}\n`)
  assert.ok(existsSync(join(prefix, 'share/man/man1/conda-stage.1')))

  const place = await copiedWorld(context)
  const staged = printed([launcher, `--prefix=${place.prefix}`, `--path=${place.local}`, '--quiet'], place.env)
  assert.match(staged, new RegExp(`^${place.local}/conda-stage_[^/]+/myjupyter\n$`))
  const { status, stderr } = bare([launcher, `--prefix=${prefix}`, `--path=${place.local}`], place.env)
  assert.equal(status, 1)
  assert.match(stderr, /bin\/node is in the environment .*\/a base itself\n/)
})
