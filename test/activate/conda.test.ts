import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planConda, planCondaBack } from '../../src/activate/conda.ts'
import { swapPath } from '../../src/activate/path.ts'
import type { Variables } from '../../src/activate/state.ts'
import type { Step } from '../../src/activate/steps.ts'

const base = { prefix: '/home/me/conda', real: '/data/me/conda' }
const copy = '/local/conda-stage_Tok1/conda'
const real = { prefix: copy, real: copy }

/** The variables that a session has after these steps. */
function after(env: Variables, steps: Step[]): Variables {
  const result: Record<string, string | undefined> = { ...env }
  for (const step of steps) {
    if (step.op === 'export') result[step.name] = step.value
    if (step.op === 'unset') delete result[step.name]
    if (step.op === 'path') result.PATH = swapPath(result.PATH!, step)
  }
  return result
}

const staged = (env: Variables) => planConda({ env, base, copy, hasCondabin: true, hasMamba: false })
const back = (env: Variables, snapshot?: ReturnType<typeof staged>['snapshot']) =>
  planCondaBack({ env, copy: real, original: base.prefix, snapshot })

const SESSION = {
  CONDA_EXE: '/home/me/conda/bin/conda',
  _CONDA_EXE: '/home/me/conda/bin/conda',
  CONDA_PYTHON_EXE: '/data/me/conda/bin/python',
  _CONDA_ROOT: '/data/me/conda',
  PATH: '/x/bin:/home/me/conda/condabin/:/usr/bin:/home/me/conda/envs/other/bin',
}

test('whatever names the installation leads to the copy, in either spelling, and comes back in that spelling', () => {
  const { steps, snapshot } = staged(SESSION)
  const now = after(SESSION, steps)
  assert.deepEqual(now, {
    CONDA_EXE: `${copy}/bin/conda`,
    _CONDA_EXE: `${copy}/bin/conda`,
    CONDA_PYTHON_EXE: `${copy}/bin/python`,
    _CONDA_ROOT: copy,
    PATH: `/x/bin:${copy}/condabin:/usr/bin:/home/me/conda/envs/other/bin`,
  })
  const returned = back(now, snapshot)
  assert.deepEqual(after(now, returned.steps), SESSION)
  assert.deepEqual(returned.env, SESSION)
})

test('a virtual environment that was activated while conda ran from the copy gives back a PATH without the copy', () => {
  const { steps, snapshot } = staged(SESSION)
  const now = after(SESSION, steps)
  const inVenv = { ...now, VIRTUAL_ENV: '/v', PATH: `/v/bin:${now.PATH}` }
  const [saved] = back(inVenv, snapshot).steps.flatMap((step) => (step.op === 'underVenv' ? [step.path] : []))
  assert.equal(swapPath(now.PATH!, saved!), SESSION.PATH)
})

test('variables of another installation stay, and so does what is not set', () => {
  const env = { CONDA_EXE: '/home/me/conda/bin/conda', CONDA_ROOT: '/home/me/conda2', PATH: '/usr/bin' }
  const { steps, snapshot } = staged(env)
  const now = after(env, steps)
  assert.deepEqual(now, { ...env, CONDA_EXE: `${copy}/bin/conda` })
  assert.deepEqual(after(now, back(now, snapshot).steps), env)
})

test('what conda or the session has set since then leads to the installation, too, and changes of PATH stay', () => {
  const env = { CONDA_EXE: '/home/me/conda/bin/conda', PATH: '/usr/bin' }
  const { steps, snapshot } = staged(env)
  const later = {
    ...after(env, steps),
    _CONDA_ROOT: copy,
    CONDA_PYTHON_EXE: '/opt/python',
    PATH: `/new:${copy}/condabin:/usr/bin`,
  }
  for (const known of [snapshot, undefined])
    assert.deepEqual(after(later, back(later, known).steps), {
      ...env,
      _CONDA_ROOT: base.prefix,
      CONDA_PYTHON_EXE: '/opt/python',
      PATH: '/new:/home/me/conda/condabin:/usr/bin',
    })
})

test('where PATH has only the bin of the installation, conda of the copy is found before it, and only while it is used', () => {
  const env = { PATH: '/x:/home/me/conda/bin:/usr/bin' }
  const { steps, snapshot } = staged(env)
  const now = after(env, steps)
  assert.equal(now.PATH, `/x:${copy}/condabin:/home/me/conda/bin:/usr/bin`)
  assert.deepEqual(after(now, back(now, snapshot).steps), env)
  const changed = { PATH: `/y:${now.PATH}` }
  assert.equal(after(changed, back(changed, snapshot).steps).PATH, '/y:/x:/home/me/conda/bin:/usr/bin')
})

test('a copy without condabin leaves PATH alone', () => {
  const { steps } = planConda({ env: SESSION, base, copy, hasCondabin: false, hasMamba: false })
  assert.equal(after(SESSION, steps).PATH, SESSION.PATH)
})

test('mamba of the installation works in the installation, unless the session says otherwise', () => {
  const plan = (env: Variables) => planConda({ env, base, copy, hasCondabin: true, hasMamba: true })
  const { steps, snapshot } = plan(SESSION)
  const now = after(SESSION, steps)
  assert.equal(now.MAMBA_ROOT_PREFIX, base.prefix)
  assert.deepEqual(after(now, back(now, snapshot).steps), SESSION)
  const other = { ...SESSION, MAMBA_ROOT_PREFIX: '/home/me/micromamba' }
  assert.equal(after(other, plan(other).steps).MAMBA_ROOT_PREFIX, '/home/me/micromamba')
})
