import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { writeRelease } from '../../scripts/release.ts'
import { filesThatName, setVersion } from '../../scripts/set-version.ts'
import { programVersion } from '../../src/platform/program.ts'
import { temporaryFolder } from '../cli/world.ts'
import { parts, printed } from './built.ts'

const ROOT = join(import.meta.dirname, '../..')
const SPACK = 'packaging/spack/spack_repo/conda_stage/packages/conda_stage/package.py'
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
