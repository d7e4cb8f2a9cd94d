import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeRelease } from '../../scripts/release.ts'
import { programVersion } from '../../src/platform/program.ts'
import { temporaryFolder } from '../cli/world.ts'
import { parts, printed } from './built.ts'

const ROOT = join(import.meta.dirname, '../..')
const SPACK = 'packaging/spack/spack_repo/conda_stage/packages/conda_stage/package.py'
const version = programVersion()

test('recipes and pages name the version of package.json, and no other', () => {
  const [easyconfig = '', ...others] = readdirSync(join(ROOT, 'packaging/easybuild'))
  assert.deepEqual([easyconfig, others], [`conda-stage-${version}.eb`, []])
  for (const [file, pattern] of [
    ['package-lock.json', /"version": "(.*)"/],
    ['packaging/conda/recipe.yaml', /^ {2}version: ([\d.]+)$/m],
    [`packaging/easybuild/${easyconfig}`, /^version = '(.*)'$/m],
    [SPACK, /^ {4}version\("(.*)"\)$/m],
    [SPACK, /conda-stage-([\d.]+)-linux/],
    ['docs/installing.md', /conda-stage-([\d.]+)-linux/],
  ] as const) {
    const found = readFileSync(join(ROOT, file), 'utf8').matchAll(new RegExp(pattern, `g${pattern.flags}`))
    const named = [...found].map(([, each]) => each)
    assert.equal(named[0], version, `${file} ${pattern}`)
    if (file !== 'package-lock.json') assert.deepEqual(new Set(named), new Set([version]), file)
  }
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
