import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { archiveCandidates } from '../../src/cache/index.ts'
import { findEnvironment } from '../../src/environment/find.ts'
import { temporaryFolder } from '../inventory/prefix.ts'

interface Expected {
  kind?: string
  name: string
  archive: string
}

test('an environment of pixi has the name of its workspace, and its archive lies outside of envs', async (t) => {
  const home = await temporaryFolder(t)
  const expect = async (path: string, expected: Expected, env = {}) =>
    await check(home, path, { kind: 'pixi', ...expected }, env)
  const archive = 'src/my-project/.pixi/conda-stage'
  await expect('src/my-project/.pixi/envs/default', { name: 'my-project', archive: `${archive}/default.tar.zst` })
  await expect('src/my-project/.pixi/envs/test', { name: 'my-project-test', archive: `${archive}/test.tar.zst` })
  await expect('.pixi/envs/ruff', { name: 'ruff', archive: '.pixi/conda-stage/ruff.tar.zst' })
  const PIXI_HOME = join(home, 'pixi-home')
  await expect('pixi-home/envs/ruff', { name: 'ruff', archive: 'pixi-home/conda-stage/ruff.tar.zst' }, { PIXI_HOME })
})

test('any other environment in a folder envs is one of conda, with its archive beside it', async (t) => {
  const home = await temporaryFolder(t)
  for (const path of ['miniconda3/envs/demo', 'pixi/envs/demo', '.pixi/demo', 'run-20261127123456789/envs/demo'])
    await check(home, path, { kind: 'conda', name: 'demo', archive: `${path}.tar.zst` })
})

test('a detached environment of pixi has one archive, whether it is named by its own path or by the link in the workspace', async (t) => {
  const home = await temporaryFolder(t)
  const detached = 'cache/my-project-15834762310450563372'
  const path = join(home, detached, 'envs/default')
  await mkdir(join(path, 'conda-meta'), { recursive: true })
  await writeFile(join(path, 'conda-meta/pixi'), '{}')
  await mkdir(join(home, 'my-project/.pixi'), { recursive: true })
  await symlink(join(home, detached, 'envs'), join(home, 'my-project/.pixi/envs'))
  const expected = { kind: 'pixi', name: 'my-project', archive: `${detached}/conda-stage/default.tar.zst` }
  for (const at of [`${detached}/envs/default`, 'my-project/.pixi/envs/default']) await check(home, at, expected)
})

test('an environment of pixi that is a link has its archive beside the envs that the link is in', async (t) => {
  const home = await temporaryFolder(t)
  await mkdir(join(home, 'data/elsewhere/conda-meta'), { recursive: true })
  await mkdir(join(home, 'my-project/.pixi/envs'), { recursive: true })
  await symlink(join(home, 'data/elsewhere'), join(home, 'my-project/.pixi/envs/default'))
  const archive = 'my-project/.pixi/conda-stage/default.tar.zst'
  await check(home, 'my-project/.pixi/envs/default', { kind: 'pixi', name: 'my-project', archive })
})

/** Makes the environment unless it is there. All paths are below the home. */
async function check(home: string, path: string, { archive, ...expected }: Expected, more = {}): Promise<void> {
  const prefix = join(home, path)
  await mkdir(join(prefix, 'conda-meta'), { recursive: true })
  const env = { HOME: home, ...more }
  const found = await findEnvironment({ prefix, env, cwd: '/' })
  assert.deepEqual({ kind: found.kind, name: found.name }, expected, path)
  assert.equal(archiveCandidates(found, { env, cwd: '/' })[0], join(home, archive), path)
}
