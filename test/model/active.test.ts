import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activePrefix, isVenvActive } from '../../src/model/active.ts'

test('of a conda environment and a virtual environment that are both active, the one is meant whose programs start', () => {
  const [conda, venv] = ['/c/envs/my', '/p/.venv']
  const both = (PATH: string) => ({ CONDA_PREFIX: conda, VIRTUAL_ENV: venv, PATH })
  const cases: [Record<string, string>, string | undefined][] = [
    [{}, undefined],
    [{ CONDA_PREFIX: '', VIRTUAL_ENV: '' }, undefined],
    [{ CONDA_PREFIX: conda }, conda],
    [{ VIRTUAL_ENV: venv }, venv],
    [both(`${venv}/bin:${conda}/bin:/bin`), venv],
    [both(`${conda}/bin:${venv}/bin:/bin`), conda],
    [both(`/x:/p//.venv/bin/:${conda}/bin`), venv],
    [both(`${venv}/bin2:${conda}/bin:${venv}/bin`), conda],
    // Only one of them is on PATH, or neither.
    [both(`/bin:${venv}/bin`), venv],
    [both('/bin'), conda],
    [{ CONDA_PREFIX: conda, VIRTUAL_ENV: venv }, conda],
  ]
  for (const [env, expected] of cases) {
    assert.equal(activePrefix(env), expected, JSON.stringify(env))
    assert.equal(isVenvActive(env), expected === venv, JSON.stringify(env))
  }
})
