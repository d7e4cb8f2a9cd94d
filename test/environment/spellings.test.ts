import assert from 'node:assert/strict'
import { mkdir, rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { withSpellings } from '../../src/environment/spellings.ts'
import { put, temporaryFolder } from '../inventory/prefix.ts'

interface Place {
  prefix: string
  /** The same folder, by a home that is a link. */
  linked: string
  /** The same root of conda, by that home. */
  root: string
}

/** An environment `me/conda/envs/my env` with nothing in it, and a link `home` to `me`. */
async function place(t: TestContext, name = 'x'): Promise<Place> {
  const folder = await temporaryFolder(t)
  const prefix = `${folder}/me/conda/envs/${name}`
  await mkdir(`${prefix}/conda-meta`, { recursive: true })
  await symlink('me', `${folder}/home`)
  return { prefix, linked: `${folder}/home/conda/envs/${name}`, root: `${folder}/home/conda` }
}

const found = async (prefix: string, { real = prefix, ...variables } = {} as Record<string, string>) => {
  const environment = { prefix, real, name: '', isBase: false, ownerUid: 0, kind: 'conda' as const }
  return (await withSpellings(environment, variables)).spellings ?? []
}

const FILES: Record<string, (place: Place) => [path: string, content: string]> = {
  'the first line of a script': ({ linked }) => ['bin/tool', `#!${linked}/bin/python\n`],
  'a first line behind /bin/sh': ({ linked }) => ['bin/tool', `#!/bin/sh\n'''exec' "${linked}/bin/python" "$0" "$@"\n`],
  'a list of folders in a script': ({ linked }) => ['bin/x-config', `#!/bin/sh\nPATH=/usr/bin:${linked}/bin:/bin\n`],
  'a script that runs at activation': ({ linked }) => ['etc/conda/activate.d/a.sh', `export X=${linked}/share\n`],
  "a Jupyter kernel's command": ({ linked }) => [
    'share/jupyter/kernels/python3/kernel.json',
    JSON.stringify({ argv: [`${linked}/bin/python`, '-m', 'ipykernel'] }, null, 1),
  ],
  'an address of a file': ({ linked }) => ['bin/tool', `#!/usr/bin/env python\nHOME = "file://${linked}/share"\n`],
  "the command in conda's history": ({ linked }) => ['conda-meta/history', `# cmd: conda create -p ${linked} python\n`],
  "conda's own path in its history": ({ root }) => ['conda-meta/history', `# cmd: ${root}/bin/conda create -n x\n`],
  "a record's folder in the package cache": ({ root }) => [
    'conda-meta/a-1-0.json',
    JSON.stringify({ extracted_package_dir: `${root}/pkgs/a-1-0`, files: Array(9999).fill('lib/file') }),
  ],
}
for (const [what, fileOf] of Object.entries(FILES))
  test(`another spelling of the prefix is found in ${what}`, async (t) => {
    const its = await place(t)
    await put(its.prefix, ...fileOf(its))
    assert.deepEqual(await found(its.prefix), [its.linked])
  })

test('another spelling of the prefix is found in the target of a link', async (t) => {
  const its = await place(t)
  await mkdir(`${its.prefix}/bin`)
  await symlink(`${its.linked}/lib/tool`, `${its.prefix}/bin/tool`)
  assert.deepEqual(await found(its.prefix), [its.linked])
})

test('a prefix with blanks is found by another spelling in quotes', async (t) => {
  const its = await place(t, 'my env')
  await put(its.prefix, 'bin/tool', `#!/bin/sh\n'''exec' "${its.linked}/bin/python" "$0" "$@"\n`)
  assert.deepEqual(await found(its.prefix), [its.linked])
})

test('spellings with doubled slashes, and out of the environment and in again, are other spellings', async (t) => {
  const { prefix } = await place(t)
  const spellings = [prefix.replace('/envs/', '//envs/'), `${prefix}/../../envs/x`].sort()
  await put(prefix, 'bin/tool', `#!${spellings[0]}/bin/python\n`)
  await put(prefix, 'bin/another', `#!${spellings[1]}/bin/python\n`)
  assert.deepEqual(await found(prefix), spellings)
})

test('an environment staged by a link has its real path and a third one as spellings', async (t) => {
  const { prefix, linked } = await place(t)
  const given = join(dirname(dirname(dirname(dirname(prefix)))), 'project')
  await symlink(prefix, given)
  await put(prefix, 'bin/tool', `#!${linked}/bin/python\n`)
  await put(prefix, 'bin/another', `#!${prefix}/bin/python\n`)
  assert.deepEqual(await found(given, { real: prefix }), [linked])
})

test('another spelling of the prefix is found by the home of the session, and by the environment that is active', async (t) => {
  const { prefix, linked } = await place(t)
  const home = linked.replace('/conda/envs/x', '')
  assert.deepEqual(await found(prefix, { HOME: home }), [linked])
  assert.deepEqual(await found(prefix, { HOME: `${home}/` }), [linked])
  assert.deepEqual(await found(prefix, { HOME: dirname(prefix), CONDA_PREFIX: linked }), [linked])
  assert.deepEqual(await found(prefix, { CONDA_PREFIX: prefix, HOME: '/', CONDA_EXE: '/usr/bin/conda' }), [])
})

test('the path of another environment, of one that is gone or of a file is no spelling of this one', async (t) => {
  const { prefix, linked, root } = await place(t)
  await mkdir(`${root}/envs/y/x`, { recursive: true })
  await put(root, 'x', 'a file')
  const paths = [
    prefix,
    `${prefix}/share/x`,
    `${root}/envs/y/x`,
    `${root}/x`,
    '/nowhere/x',
    `${linked}2`,
    `/mnt${linked}`,
  ]
  await put(prefix, 'bin/tool', `#!/bin/sh\n${paths.join('\n')}\nhttps://host${linked}\n`)
  assert.deepEqual(await found(prefix), [])
  await rename(prefix, `${prefix}-away`)
  assert.deepEqual(await found(prefix), [])
})
