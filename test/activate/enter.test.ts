import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planEnter } from '../../src/activate/enter.ts'
import type { PrefixFacts } from '../../src/activate/facts.ts'
import type { Step } from '../../src/activate/steps.ts'

const facts = (prefix: string, more: Partial<PrefixFacts> = {}): PrefixFacts => ({
  prefix,
  real: prefix,
  otherSpellings: {},
  variables: {},
  unreadable: [],
  notTaken: [],
  activateScripts: [],
  deactivateScripts: [],
  ...more,
})

const entered = facts('/conda/envs/new', { variables: { NEW: '1' }, activateScripts: ['/conda/envs/new/on.sh'] })
const other = facts('/conda/envs/old', { variables: { OLD: '1' }, deactivateScripts: ['/conda/envs/old/off.sh'] })
const env = {
  PATH: '/conda/envs/old/bin:/usr/bin',
  CONDA_PREFIX: other.prefix,
  CONDA_DEFAULT_ENV: 'old',
  CONDA_SHLVL: '2',
  CONDA_PROMPT_MODIFIER: '(old) ',
}

/** What the steps set, unset and run. */
const effects = (steps: Step[]) => ({
  set: Object.fromEntries(steps.flatMap((step) => (step.op === 'export' ? [[step.name, step.value]] : []))),
  unset: steps.flatMap((step) => (step.op === 'unset' ? [step.name] : [])),
  scripts: steps.flatMap((step) => (step.op === 'source' ? [step.script] : [])),
  ps1: steps.flatMap((step) => (step.op === 'prompt' ? [step.value] : [])),
})

test('an environment is entered in place of the one that is active, at its level of conda’s stack', () => {
  const steps = planEnter({ env, ps1: '(old) $ ', entered, active: other, isCopy: true })
  assert.deepEqual(effects(steps), {
    set: {
      CONDA_PREFIX: entered.prefix,
      CONDA_SHLVL: '2',
      CONDA_DEFAULT_ENV: 'new',
      CONDA_STAGE_STAGED: 'true',
      CONDA_PROMPT_MODIFIER: '(new*) ',
      NEW: '1',
    },
    unset: ['OLD'],
    scripts: ['/conda/envs/old/off.sh', '/conda/envs/new/on.sh'],
    ps1: ['(new*) $ '],
  })
})

test('where no environment is active, it becomes the first one, in front of PATH and of the prompt', () => {
  const steps = planEnter({ env: { PATH: '/usr/bin' }, ps1: '$ ', entered, active: undefined, isCopy: false })
  const { set, ps1 } = effects(steps)
  assert.deepEqual(set, {
    CONDA_PREFIX: entered.prefix,
    CONDA_SHLVL: '1',
    CONDA_DEFAULT_ENV: 'new',
    CONDA_PROMPT_MODIFIER: '(new) ',
    NEW: '1',
  })
  assert.deepEqual(ps1, ['(new) $ '])
  assert.ok(steps.some((step) => step.op === 'path' && step.first === '/conda/envs/new/bin'))
})

test('in an environment that is active already, only the prompt says that it is a copy now', () => {
  const steps = planEnter({ env, ps1: '(old) $ ', entered: other, active: other, isCopy: true })
  const { set, scripts, ps1 } = effects(steps)
  assert.deepEqual(set, { CONDA_STAGE_STAGED: 'true', CONDA_PROMPT_MODIFIER: '(old*) ' })
  assert.deepEqual([scripts, ps1], [[], ['(old*) $ ']])
  assert.deepEqual(planEnter({ env, entered: other, active: other, isCopy: false }), [{ op: 'return', status: 0 }])
})

test('in a shell of pixi, only the prompt says that the copy stands in the place of the environment', () => {
  const ofPixi = {
    PATH: '/p/.pixi/envs/default/bin',
    CONDA_PREFIX: entered.prefix,
    CONDA_DEFAULT_ENV: 'my',
    PIXI_PROMPT: '(my) ',
  }
  const steps = planEnter({ env: ofPixi, ps1: '(my) $ ', entered, active: entered, isCopy: true })
  assert.deepEqual(effects(steps), { set: { CONDA_STAGE_STAGED: 'true' }, unset: [], scripts: [], ps1: ['(my*) $ '] })
  const own = planEnter({ env: ofPixi, ps1: 'me $ ', entered, active: entered, isCopy: true })
  assert.deepEqual(effects(own).ps1, ['(my*) me $ '])
})
