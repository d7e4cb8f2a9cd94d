import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { writeRelease } from '../../scripts/release.ts'
import { filesThatName, setVersion } from '../../scripts/set-version.ts'
import { programVersion } from '../../src/platform/program.ts'
import { temporaryFolder } from '../cli/world.ts'
import { readyCache } from '../fixtures/cache.ts'
import { parts, printed } from './built.ts'

const ROOT = join(import.meta.dirname, '../..')
const SPACK = 'packaging/spack/spack_repo/conda_stage/packages/conda_stage/package.py'
const EASYBUILD = '5.4.1'
const version = programVersion()

test('one command sets the version, in recipes and pages too, and none of them names an older one', (context) => {
  const files = filesThatName(version, ROOT)
  const easyconfig = `packaging/easybuild/conda-stage-${version}.eb`
  for (const file of ['README.md', 'docs/installing.md', 'packaging/conda/recipe.yaml', easyconfig, SPACK])
    assert.ok(files.includes(file), file)
  assert.deepEqual(readdirSync(join(ROOT, 'packaging/easybuild')), [basename(easyconfig)])

  const folder = temporaryFolder(context)
  for (const name of ['README.md', 'docs', 'packaging'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  setVersion(version, '98.7.6', folder)
  assert.deepEqual(filesThatName(version, folder), [])
  const renamed = files.map((file) => (file === easyconfig ? 'packaging/easybuild/conda-stage-98.7.6.eb' : file))
  assert.deepEqual(filesThatName('98.7.6', folder), renamed)
  // No line has another version in the same place.
  const names = (text: string) => text.match(/conda-stage-\d[\d.]*\d/g) ?? []
  for (const file of renamed)
    for (const name of names(readFileSync(join(folder, file), 'utf8'))) assert.equal(name, 'conda-stage-98.7.6', file)
})

test('the recipe for Spack installs the release, and the program starts from there', async (context) => {
  const { out, what } = await parts()
  writeRelease(out, what)
  const prefix = join(temporaryFolder(context), 'software')
  mkdirSync(prefix)
  const script = join(import.meta.dirname, 'spack_stand_in.py')
  const output = execFileSync('python3', ['-B', script, join(ROOT, SPACK), prefix], { cwd: out, encoding: 'utf8' })
  assert.equal(output, `${version}\n`)
  assert.deepEqual(readdirSync(prefix).sort(), ['LICENSE', 'bin', 'libexec', 'share'])
  assert.equal(printed([join(prefix, 'bin/conda-stage'), '--version']), `${version}\n`)
})

/** The variables with which EasyBuild runs, from PyPI. It stays in the tests' cache. */
async function easyBuild(): Promise<Record<string, string>> {
  const { root, python } = await readyCache('small')
  const folder = join(root, `easybuild-${EASYBUILD}`)
  if (!existsSync(folder)) install(folder, python)
  const [packages = ''] = globSync('lib/python*/site-packages', { cwd: folder })
  return { PATH: `${folder}/bin:/usr/bin:/bin`, PYTHONPATH: join(folder, packages), EB_PYTHON: python }
}

function install(folder: string, python: string): void {
  const aside = `${folder}.new`
  rmSync(aside, { recursive: true, force: true })
  const packages = [`easybuild-framework==${EASYBUILD}`, `easybuild-easyblocks==${EASYBUILD}`, 'pycodestyle==2.14.0']
  // --target would leave out what two packages have in one folder.
  const args = ['install', '--quiet', '--no-deps', '--ignore-installed', '--prefix', aside, ...packages]
  execFileSync(python, ['-m', 'pip', ...args], { stdio: 'pipe' })
  renameSync(aside, folder)
}

test('EasyBuild finds no fault with its recipe, installs the release by it, and makes a module that leads to the program', async (context) => {
  const { what } = await parts()
  const variables = await easyBuild()
  const folder = temporaryFolder(context)
  writeRelease(folder, what) // EasyBuild does not unpack what is below a name with a blank
  const session = `
    . /usr/share/lmod/lmod/init/bash
    eb --check-style "$1" || exit
    eb "$1" --sourcepath=. --prefix=. --modules-tool=Lmod
    module use modules/all && module load conda-stage && command -v conda-stage && conda-stage --version`
  const env = {
    ...variables,
    HOME: folder,
    TMPDIR: folder,
    LANG: 'C.UTF-8',
    EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES: '1',
  }
  const easyconfig = join(ROOT, `packaging/easybuild/conda-stage-${version}.eb`)
  const args = ['-c', session, 'bash', easyconfig]
  const { status, stdout, stderr } = spawnSync('bash', args, { cwd: folder, env, encoding: 'utf8', timeout: 120_000 })
  assert.equal(status, 0, stdout + stderr)
  assert.match(stdout, /All style checks PASSed!/)
  assert.match(stdout, new RegExp(`/software/conda-stage/${version}/bin/conda-stage\n${version}\n$`))
})
