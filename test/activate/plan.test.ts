import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PrefixFacts } from '../../src/activate/facts.ts'
import { findStaged, planStage, planUnstage } from '../../src/activate/plan.ts'
import type { Snapshot } from '../../src/activate/state.ts'
import type { Step } from '../../src/activate/steps.ts'

const facts = (prefix: string, variables: Record<string, string> = {}): PrefixFacts => ({
  prefix,
  real: prefix,
  variables,
  unreadable: [],
  notTaken: [],
  otherSpellings: {},
  activateScripts: [],
  deactivateScripts: [],
})
const original = facts('/net/envs/my')
const staged = facts('/scratch/conda-stage_T/my')
const ENV = {
  PATH: '/net/envs/my/bin:/bin',
  CONDA_PREFIX: '/net/envs/my',
  CONDA_SHLVL: '1',
  CONDA_DEFAULT_ENV: 'my',
  CONDA_PROMPT_MODIFIER: '(my) ',
}

type Env = Record<string, string | undefined>

/** The session after the steps, except for its PATH. */
function after(env: Env, steps: Step[]): Env & { PS1?: string } {
  const result: Env = { ...env }
  for (const step of steps) {
    if (step.op === 'export') result[step.name] = step.value
    if (step.op === 'unset') delete result[step.name]
    if (step.op === 'prompt') result.PS1 = step.value
  }
  return result
}

describe('the prompt of a staged session', () => {
  const cases: { title: string; env: Env; ps1: string; staged: string; modifier: string | undefined }[] = [
    { title: 'has a star', env: ENV, ps1: '(my) $ ', staged: '(my*) $ ', modifier: '(my*) ' },
    {
      title: 'shows the name of an environment that was activated by path',
      env: { ...ENV, CONDA_DEFAULT_ENV: '/net/envs/my', CONDA_PROMPT_MODIFIER: '(/net/envs/my) ' },
      ps1: '(/net/envs/my) $ ',
      staged: '(my*) $ ',
      modifier: '(my*) ',
    },
    {
      title: 'has a star behind base',
      env: { ...ENV, CONDA_DEFAULT_ENV: 'base', CONDA_PROMPT_MODIFIER: '(base) ' },
      ps1: '(base) $ ',
      staged: '(base*) $ ',
      modifier: '(base*) ',
    },
    {
      title: 'keeps a custom env_prompt and finds the name in it as a word',
      env: { ...ENV, CONDA_PROMPT_MODIFIER: '[mycroft my-x my] ' },
      ps1: 'a [mycroft my-x my] b',
      staged: 'a [mycroft my-x my*] b',
      modifier: '[mycroft my-x my*] ',
    },
    {
      title: 'keeps an env_prompt without a name',
      env: { ...ENV, CONDA_PROMPT_MODIFIER: '> ' },
      ps1: '> $ ',
      staged: '> $ ',
      modifier: '> ',
    },
    {
      title: 'stays if changeps1 is off',
      env: { ...ENV, CONDA_PROMPT_MODIFIER: '' },
      ps1: '$ ',
      staged: '$ ',
      modifier: '',
    },
    { title: "stays if it is the user's own", env: ENV, ps1: '$ ', staged: '$ ', modifier: '(my*) ' },
    {
      title: 'gets the name in front if conda has not put it there',
      env: { PATH: ENV.PATH, CONDA_PREFIX: ENV.CONDA_PREFIX },
      ps1: '$ ',
      staged: '(my*) $ ',
      modifier: undefined,
    },
    {
      title: "takes none of the user's text for a pattern",
      env: { ...ENV, CONDA_DEFAULT_ENV: '$&.*', CONDA_PROMPT_MODIFIER: '($&.*) ' },
      ps1: '($&.*) $& ',
      staged: '($&.**) $& ',
      modifier: '($&.**) ',
    },
  ]
  for (const { title, env, ps1, staged: expected, modifier } of cases) {
    test(`the prompt ${title}, and comes back`, () => {
      const { steps, snapshot } = planStage({ env, ps1, original, staged })
      const { PS1, ...stage } = after({ ...env }, steps)
      assert.equal(PS1, expected)
      assert.equal(stage.CONDA_PROMPT_MODIFIER, modifier)
      const stored = JSON.parse(JSON.stringify(snapshot)) as Snapshot
      const back = planUnstage({ env: stage, ps1: PS1, original, staged, snapshot: stored })
      assert.deepEqual(after(stage, back.steps), { ...env, PS1: ps1 })
      // Another shell that inherited the variables has a prompt of its own around it.
      const inner = planUnstage({ env: stage, ps1: `in ${PS1}`, original, staged, snapshot: stored })
      assert.equal(after(stage, inner.steps).PS1, `in ${ps1}`)
    })
  }

  test('a prompt that is not set stays so, and one that is not UTF-8 is never written', () => {
    for (const ps1 of [undefined, '(my) \uFFFD']) {
      assert.equal(
        planStage({ env: ENV, ps1, original, staged }).steps.some(({ op }) => op === 'prompt'),
        false,
      )
    }
  })

  test('a prompt that conda rewrote on coming back from another environment is restored too', () => {
    const { snapshot } = planStage({ env: ENV, ps1: '(my) $ ', original, staged })
    const env = { ...ENV, CONDA_PREFIX: staged.prefix, CONDA_DEFAULT_ENV: staged.prefix }
    const modifier = `(${staged.prefix}) `
    for (const known of [snapshot, undefined]) {
      const { steps } = planUnstage({
        env: { ...env, CONDA_PROMPT_MODIFIER: modifier },
        ps1: `${modifier}$ `,
        original,
        staged,
        snapshot: known,
      })
      assert.deepEqual(after({ ...env }, steps), { ...ENV, PS1: '(my) $ ' })
    }
  })
})

describe('variables of a staged environment', () => {
  const from = facts(original.prefix, { data: '/net/envs/my/d', GONE: 'x' })
  const to = facts(staged.prefix, { data: '/scratch/conda-stage_T/my/d', NEW: 'y' })

  test("the environment's variables are exchanged, in upper case unless conda is configured otherwise", () => {
    for (const name of ['DATA', 'data']) {
      const env = { ...ENV, [name]: '/net/envs/my/d', GONE: 'x', __CONDA_SHLVL_0_GONE: 'was' }
      const { steps, snapshot } = planStage({ env, original: from, staged: to })
      const stage = after(env, steps)
      assert.equal(stage[name], '/scratch/conda-stage_T/my/d')
      assert.deepEqual([stage.GONE, stage.NEW], ['was', 'y'])
      assert.deepEqual(after(stage, planUnstage({ env: stage, original: from, staged: to, snapshot }).steps), env)
    }
  })

  test("without a record of their old values, the environment's variables become what conda would make them", () => {
    const env = { ...ENV, CONDA_PREFIX: staged.prefix, DATA: to.variables.data!, NEW: 'y', GONE: '' }
    const { DATA, NEW, GONE } = after(env, planUnstage({ env, original: from, staged: to }).steps)
    assert.deepEqual({ DATA, NEW, GONE }, { DATA: '/net/envs/my/d', NEW: '', GONE: 'x' })
  })
})

test('without a record of its old value, CONDA_DEFAULT_ENV becomes what conda calls the original', () => {
  const cases = [
    [original.prefix, {}, 'my'],
    ['/data/project', {}, '/data/project'],
    ['/opt/conda', { CONDA_EXE: '/opt/conda/bin/conda' }, 'base'],
    ['/opt/conda', { _CONDA_ROOT: '/opt/conda' }, 'base'],
    ['/opt/mamba', { MAMBA_ROOT_PREFIX: '/opt/mamba' }, 'base'],
    ['/opt/conda', { _CONDA_ROOT: '/opt/conda', MAMBA_ROOT_PREFIX: '/home/me/micromamba' }, 'base'],
  ] as const
  for (const [prefix, more, name] of cases) {
    const env = { ...ENV, ...more, CONDA_PREFIX: staged.prefix, CONDA_DEFAULT_ENV: staged.prefix }
    const { steps } = planUnstage({ env, original: facts(prefix), staged })
    assert.equal(after(env, steps).CONDA_DEFAULT_ENV, name)
  }
})

test('a PATH that is not UTF-8 is only changed by the shell, never written', () => {
  const env = { ...ENV, PATH: '/\uFFFD:/net/envs/my/bin' }
  const { snapshot } = planStage({ env, original, staged })
  const { steps } = planUnstage({ env: { ...env, CONDA_PREFIX: staged.prefix }, original, staged, snapshot })
  const path = steps.find((step) => step.op === 'path')
  assert.equal(path?.exact, undefined)
  assert.doesNotMatch(JSON.stringify(steps), /\uFFFD/)
})

test('with --activator=conda, a stacked environment is stacked again', () => {
  const env = { ...ENV, CONDA_SHLVL: '2', CONDA_STACKED_2: 'true' }
  const { steps } = planStage({ env, original, staged, activator: 'conda' })
  const calls = steps.flatMap((step) => (step.op === 'conda' ? [step.argv] : []))
  assert.deepEqual(calls, [['deactivate'], ['activate', '--stack', staged.prefix]])
})

test('a stage is found whether it is active or beneath another environment', () => {
  const isStaged = (prefix: string) => prefix.startsWith('/scratch/')
  const at = (env: Env) => findStaged(env, isStaged)
  assert.deepEqual(at({ CONDA_PREFIX: '/scratch/a' }), { where: 'active', prefix: '/scratch/a' })
  const over = { CONDA_PREFIX: '/b', CONDA_SHLVL: '3', CONDA_PREFIX_1: '/scratch/a', CONDA_PREFIX_2: '/c' }
  assert.deepEqual(at(over), { where: 'beneath', prefix: '/scratch/a' })
  // conda leaves such variables behind, empty or not.
  assert.deepEqual(at({ ...over, CONDA_SHLVL: '1' }), { where: 'none' })
  assert.deepEqual(at({}), { where: 'none' })
})
