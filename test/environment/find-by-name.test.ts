import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { type TestContext, test } from 'node:test'
import { findByName } from '../../src/environment/find-by-name.ts'
import { StageError } from '../../src/errors.ts'

interface Place {
  root: string
  home: string
  /** Makes an environment there. */
  add(path: string): string
  /** Writes a file into the home folder. */
  write(name: string, text: string): void
  find(name: string, env?: Record<string, string>): Promise<string>
}

function place(context: TestContext): Place {
  const root = mkdtempSync(`${tmpdir()}/by-name-`)
  context.after(() => rmSync(root, { recursive: true }))
  const home = `${root}/home`
  mkdirSync(`${home}/.conda`, { recursive: true })
  return {
    root,
    home,
    add(path) {
      mkdirSync(`${root}/${path}/conda-meta`, { recursive: true })
      return `${root}/${path}`
    },
    write(name, text) {
      mkdirSync(`${home}/${name}`.replace(/\/[^/]*$/, ''), { recursive: true })
      writeFileSync(`${home}/${name}`, text)
    },
    find: (name, env = {}) => findByName(name, { HOME: home, ...env }),
  }
}

async function fails(found: Promise<string>, code: string, says: RegExp): Promise<void> {
  await assert.rejects(found, (error: unknown) => {
    assert.ok(error instanceof StageError)
    assert.equal(error.code, code)
    assert.match(error.message, says)
    assert.match(error.hint ?? '', /--prefix=PATH/)
    return true
  })
}

test('an environment is found by name beside the base, however the session names the base', async (context) => {
  const { root, add, find } = place(context)
  add('conda')
  const mine = add('conda/envs/mine')
  mkdirSync(`${root}/conda/bin`)
  writeFileSync(`${root}/conda/bin/conda`, '')
  mkdirSync(`${root}/bin`)
  symlinkSync(`${root}/conda/bin/conda`, `${root}/bin/conda`)
  for (const env of [
    { CONDA_EXE: `${root}/conda/bin/conda` },
    { CONDA_EXE: `${root}/conda/condabin/conda` },
    { MAMBA_ROOT_PREFIX: `${root}/conda` },
    { _CONDA_ROOT: `${root}/conda` },
    { PATH: `/nowhere:${root}/bin` },
    { CONDA_PREFIX_1: `${root}/conda`, CONDA_PREFIX: '/elsewhere' },
    { CONDA_DEFAULT_ENV: 'base', CONDA_PREFIX: `${root}/conda` },
    { CONDA_PREFIX: `${root}/conda/envs/other` },
  ])
    assert.equal(await find('mine', env), mine, JSON.stringify(env))
  assert.equal(await find('base', { CONDA_EXE: `${root}/conda/bin/conda` }), `${root}/conda`)
})

test('micromamba needs no conda-meta in its root folder', async (context) => {
  const { root, add, find } = place(context)
  const mine = add('micromamba/envs/mine')
  assert.equal(await find('mine', { MAMBA_ROOT_PREFIX: `${root}/micromamba` }), mine)
})

test('CONDA_ENVS_DIRS and CONDA_ENVS_PATH come first, in their order', async (context) => {
  const { root, add, find } = place(context)
  add('conda/envs/mine')
  const [first, second] = [add('a/mine'), add('b/mine')]
  const conda = { MAMBA_ROOT_PREFIX: `${root}/conda` }
  assert.equal(await find('mine', { ...conda, CONDA_ENVS_PATH: `${root}/none:${root}/a/:${root}/b` }), first)
  assert.equal(await find('mine', { ...conda, CONDA_ENVS_DIRS: `${root}/b`, CONDA_ENVS_PATH: `${root}/a` }), second)
})

test("envs_dirs of conda's configuration are used, with ~ and variables in them", async (context) => {
  const { root, add, write, find } = place(context)
  const [a, b, c] = [add('home/my envs/a'), add('scratch/me/b'), add('c/c')]
  write('.condarc', `channels: [defaults]\nenvs_dirs:\n  - "~/my envs"\n  - $TOP/scratch/\${USER}/\n`)
  write('xdg/conda/condarc', `envs_dirs: ${root}/c\n`)
  const env = { TOP: root, USER: 'me', XDG_CONFIG_HOME: `${root}/home/xdg` }
  assert.deepEqual([await find('a', env), await find('b', env), await find('c', env)], [a, b, c])
  const d = add('d/d')
  write('.conda/condarc.d/site.yml', `envs_dirs: [${root}/d]\n`)
  write('.conda/condarc.d/notes.txt', `envs_dirs: [${root}/none]\n`)
  assert.equal(await find('d', env), d)
  write('.condarc', 'envs_dirs: [: broken\n')
  assert.equal(await find('c', env), c)
})

test("envs_dirs of mamba's own configuration are used, wherever mamba reads it", async (context) => {
  const { root, add, write, find } = place(context)
  const [mine, other] = [add('m/mine'), add('o/other')]
  const env = { MAMBA_ROOT_PREFIX: `${root}/micromamba` }
  for (const file of [
    '.mambarc',
    '.mamba/.mambarc',
    '.mamba/mambarc',
    '.mamba/mambarc.d/site.yml',
    '.config/mamba/mambarc',
    '../micromamba/.mambarc',
  ]) {
    write(file, `envs_dirs: [${root}/m]\n`)
    assert.equal(await find('mine', env), mine, file)
    write(file, '')
  }
  write('named', `envs_dirs: [${root}/o]\n`)
  assert.equal(await find('other', { ...env, MAMBARC: `${root}/home/named` }), other)
  write('xdg/mamba/.mambarc', `envs_dirs: [${root}/m]\n`)
  assert.equal(await find('mine', { ...env, XDG_CONFIG_HOME: `${root}/home/xdg` }), mine)
})

test("an environment elsewhere is found in conda's list, unless several have the name or it is gone", async (context) => {
  const { root, add, write, find } = place(context)
  const mine = add('project/mine')
  add('one/twice')
  add('two/twice')
  write(
    '.conda/environments.txt',
    `${root}/conda\n${mine}\n${mine}\n${root}/one/twice\n${root}/two/twice\n${root}/gone\n`,
  )
  assert.equal(await find('mine'), mine)
  await fails(find('twice'), 'NO_ENVIRONMENT', /2 environments are named twice: \S+one\/twice, \S+two\/twice/)
  await fails(find('gone'), 'NO_ENVIRONMENT', /no environment named gone in .*environments\.txt/)
})

test('a path as a name is wrong usage, and an unknown name says where it was looked for', async (context) => {
  const { home, find } = place(context)
  await fails(find('./env'), 'USAGE', /is a path/)
  await fails(find('none'), 'NO_ENVIRONMENT', new RegExp(`${home}/\\.conda/envs`))
  await fails(find('base'), 'NO_ENVIRONMENT', /named base/)
})
