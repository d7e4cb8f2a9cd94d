import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { findEnvironment } from '../../src/environment/find.ts'
import { withSiblings } from '../../src/environment/siblings.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

const ARCHIVES = ['.sqfs', '.tar', '.tar.gz', '.tar.zst', '.zip']

async function siblingsOf(prefix: string) {
  return (await withSiblings(await findEnvironment({ prefix, env: {}, cwd: '/' }))).siblings
}

test('siblings are the names beside an environment that begin with its own; archives of ours always count', async (context) => {
  const root = await temporaryFolder(context)
  for (const name of ['env/conda-meta', 'env2', 'env-old', 'other', 'my-env', 'env.tar.gz'])
    mkdirSync(`${root}/${name}`, { recursive: true })
  writeFileSync(`${root}/env.txt`, '')
  assert.deepEqual(await siblingsOf(`${root}/env`), [['-old', ...ARCHIVES, '.txt', '2'].sort()])
})

test('behind a symbolic link both parent folders are evidence', async (context) => {
  const root = await temporaryFolder(context)
  for (const name of ['data/real/conda-meta', 'data/real-x', 'envs/env2'])
    mkdirSync(`${root}/${name}`, { recursive: true })
  symlinkSync('../data/real', `${root}/envs/env`)
  assert.deepEqual(await siblingsOf(`${root}/envs/env`), [[...ARCHIVES, '2'].sort(), ['-x', ...ARCHIVES].sort()])
})

test('a parent folder that cannot be listed gives no evidence', async (context) => {
  const prefix = `${await temporaryFolder(context)}/gone/env`
  const environment = { prefix, real: prefix, name: 'env', isBase: false, ownerUid: 0, kind: 'conda' as const }
  assert.deepEqual((await withSiblings(environment)).siblings, [null])
})
