import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pack, stage, verify } from '../../src/index.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

/** An environment whose files name it by a home that is a link, by its real path and by the link `project`. */
async function environment(t: TestContext) {
  const root = await temporaryFolder(t)
  const real = `${root}/data/someone-else/conda/envs/x`
  const [linked, project] = [`${root}/home/conda/envs/x`, `${root}/project`]
  for (const folder of ['bin', 'conda-meta', 'lib']) mkdirSync(`${real}/${folder}`, { recursive: true })
  symlinkSync('data/someone-else', `${root}/home`)
  symlinkSync(real, project)
  const put = (path: string, content: string) => writeFileSync(`${real}/${path}`, content)
  put('conda-meta/history', '')
  for (const [name, prefix] of Object.entries({ linked, real, project })) put(`bin/${name}`, `#!${prefix}/bin/python\n`)
  put('lib/binary', `\0${linked}/lib\0`)
  symlinkSync(`${linked}/lib/binary`, `${real}/lib/link`)
  mkdirSync(`${root}/local`)
  const options = {
    env: { HOME: root, CONDA_STAGE_PATH: `${root}/local` },
    cwd: '/',
    output: `${root}/archive.tar.zst`,
  }
  return { real, linked, project, put, options }
}

for (const [what, by] of [
  ['real path', 'real'],
  ['link', 'project'],
] as const)
  test(`an environment that is staged by its ${what} works from the copy, even where its files use a third spelling`, async (t) => {
    const place = await environment(t)
    const { prefix } = await stage({ ...place.options, prefix: place[by] })
    for (const name of ['linked', 'real', 'project'])
      assert.equal(readFileSync(`${prefix}/bin/${name}`, 'utf8'), `#!${prefix}/bin/python\n`)
    assert.equal(readlinkSync(`${prefix}/lib/link`), `${prefix}/lib/binary`)
    const findings = await verify({ ...place.options, prefix })
    // Without room for another length a binary keeps what it has, and that is reported.
    const unfit = findings.findings.filter(({ harmless }) => !harmless).map(({ path }) => path)
    const fits = prefix.length === place.linked.length
    assert.deepEqual(unfit, fits ? [] : ['lib/binary'])
  })

test('a repack knows the spellings that packing has found, and replaces them in new files', async (t) => {
  const { real, linked, put, options } = await environment(t)
  await pack({ ...options, prefix: real })
  put('bin/new', `#!${linked}/bin/python\n`)
  utimesSync(`${real}/conda-meta/history`, 1e9, 1e9)
  const { prefix } = await stage({ ...options, prefix: real })
  assert.equal(readFileSync(`${prefix}/bin/new`, 'utf8'), `#!${prefix}/bin/python\n`)
  assert.equal(readFileSync(`${prefix}/bin/linked`, 'utf8'), `#!${prefix}/bin/python\n`)
  assert.ok(dirname(prefix) !== dirname(real))
})
