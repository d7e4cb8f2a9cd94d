import assert from 'node:assert/strict'
import { chown, mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findEnvironment } from '../../src/environment/find.ts'
import { makePrefix, put, temporaryFolder } from '../inventory/prefix.ts'

const find = (prefix: string, env = {}) => findEnvironment({ prefix, env, cwd: '/' })

test('the active environment is found by CONDA_PREFIX, another by --prefix, relative to the current folder', async (t) => {
  const prefix = await makePrefix(t)
  const active = await findEnvironment({ env: { CONDA_PREFIX: prefix }, cwd: '/' })
  const uid = process.getuid?.()
  assert.deepEqual(active, { kind: 'conda', prefix, real: prefix, name: 'env', isBase: false, ownerUid: uid })
  const named = await findEnvironment({
    prefix: './x/../env//',
    env: { CONDA_PREFIX: '/elsewhere' },
    cwd: dirname(prefix),
  })
  assert.deepEqual(named, active)
})

test('an environment keeps the path that it was named by, links not resolved, and also has the resolved one', async (t) => {
  const prefix = await makePrefix(t)
  await symlink(dirname(prefix), `${dirname(prefix)}/home`)
  const logical = join(dirname(prefix), 'home/env')
  assert.deepEqual(await find(logical), { ...(await find(prefix)), prefix: logical })
  await symlink(prefix, `${prefix}-alias`)
  const alias = await find(`${prefix}-alias`)
  assert.deepEqual([alias.prefix, alias.real, alias.name], [`${prefix}-alias`, prefix, 'env-alias'])
})

test('an environment without a history, as old versions of pixi made it, is found', async (t) => {
  const folder = await temporaryFolder(t)
  const prefix = join(folder, '.pixi/envs/default')
  await mkdir(join(prefix, 'conda-meta'), { recursive: true })
  assert.equal((await find(prefix)).prefix, prefix)
})

test('the owner of an environment is the owner of the folder, not of a link to it', {
  skip: process.getuid?.() !== 0 && 'only root can make files of others',
}, async (t) => {
  const prefix = await makePrefix(t)
  await chown(prefix, 12345, 12345)
  await symlink(prefix, `${prefix}-alias`)
  assert.equal((await find(`${prefix}-alias`)).ownerUid, 12345)
})

test('without an active environment or --prefix, the error says how to name one', async () => {
  for (const env of [{}, { CONDA_PREFIX: '' }]) {
    await assert.rejects(findEnvironment({ env, cwd: '/' }), { code: 'NO_ENVIRONMENT', hint: /--prefix/ })
  }
  await assert.rejects(find(''), { code: 'USAGE', message: '--prefix is empty' })
})

test('the error about a folder that is no environment names it, and says what an environment is', async (t) => {
  const folder = await temporaryFolder(t)
  await put(folder, 'file', '')
  const hint = /conda-meta/
  const notOne = { code: 'NOT_AN_ENVIRONMENT', hint }
  await assert.rejects(find(folder), { ...notOne, path: folder, message: `${folder} is no environment` })
  await assert.rejects(find(join(folder, 'file')), { ...notOne, message: `${folder}/file is no environment` })
  await assert.rejects(find(join(folder, 'gone')), { ...notOne, message: `${folder}/gone does not exist` })
})

test('the error about a path that is not UTF-8 says so', async () => {
  const path = '/nowhere/caf\uFFFD'
  const hint = /symbolic link/
  await assert.rejects(find(path), { code: 'NOT_AN_ENVIRONMENT', message: /not valid UTF-8/, path, hint })
})

test("the base environment is the one that the session's conda or mamba names", async (t) => {
  const prefix = await makePrefix(t)
  await symlink(prefix, `${prefix}-alias`)
  for (const env of [
    { CONDA_ROOT: prefix },
    { _CONDA_ROOT: `${prefix}/` },
    { MAMBA_ROOT_PREFIX: prefix },
    { CONDA_EXE: `${prefix}/bin/conda` },
    { CONDA_EXE: `${prefix}/condabin/conda` },
  ]) {
    assert.ok((await find(prefix, env)).isBase, JSON.stringify(env))
    assert.ok((await find(`${prefix}-alias`, env)).isBase, JSON.stringify(env))
  }
  for (const env of [{ CONDA_EXE: '/opt/conda/bin/conda' }, { CONDA_EXE: 'conda' }, { CONDA_ROOT: dirname(prefix) }]) {
    assert.ok(!(await find(prefix, env)).isBase, JSON.stringify(env))
  }
})

test("the base environment is the one that is active as 'base', even if no variable names a root (micromamba's hook)", async (t) => {
  const prefix = await makePrefix(t, { 'pkgs/urls.txt': '' })
  const active = { CONDA_PREFIX: prefix, CONDA_DEFAULT_ENV: 'base' }
  assert.ok((await find(prefix, active)).isBase)
  assert.ok(!(await find(prefix, { ...active, CONDA_DEFAULT_ENV: prefix })).isBase)
  assert.ok(!(await find(prefix, { ...active, CONDA_PREFIX: dirname(prefix) })).isBase)
  const root = await makePrefix(t, { 'envs/base/conda-meta/history': '' })
  const named = join(root, 'envs/base')
  assert.ok(!(await find(named, { CONDA_PREFIX: named, CONDA_DEFAULT_ENV: 'base' })).isBase, 'it is only named so')
})

async function isBase(t: TestContext, ...files: string[]): Promise<boolean> {
  const prefix = await makePrefix(t, Object.fromEntries(files.map((file) => [file, ''])))
  return (await find(prefix)).isBase
}

test('without a session, an environment is base if it has conda and the folders of a base, not with one of them', async (t) => {
  const conda = 'conda-meta/conda-26.9.0-py312_0.json'
  assert.ok(await isBase(t, conda, 'pkgs/urls.txt'))
  assert.ok(await isBase(t, conda, 'envs/.conda_envs_dir_test'))
  assert.ok(await isBase(t, 'conda-meta/mamba-2.8.1-h6e72dcd_0.json', 'pkgs/urls.txt'))
  assert.ok(await isBase(t, 'conda-meta/micromamba-2.8.1-0.json', 'envs/mine/conda-meta/history'))
  assert.ok(await isBase(t, 'pkgs/urls.txt', 'envs/mine/conda-meta/history'), "micromamba's root needs no package")
  assert.ok(!(await isBase(t, conda)))
  assert.ok(!(await isBase(t, 'envs/mine/conda-meta/history', 'pkgs/data')))
  assert.ok(!(await isBase(t, 'pkgs/urls.txt', 'envs/x')))
  assert.ok(!(await isBase(t, 'conda-meta/conda-build-25.1-0.json', 'pkgs/x')))
  assert.ok(!(await isBase(t, 'conda-meta/conda-package-handling-2.4.0-0.json', 'pkgs/x')))
})
