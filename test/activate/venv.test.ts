import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PrefixFacts } from '../../src/activate/facts.ts'
import { stateOfVenvStage } from '../../src/activate/venv.ts'

const facts = (prefix: string): PrefixFacts => ({
  prefix,
  real: prefix,
  otherSpellings: {},
  variables: {},
  unreadable: [],
  notTaken: [],
  activateScripts: [],
  deactivateScripts: [],
})

test('the prompt has its star behind the name of a virtual environment, also if there is a newline in the name', () => {
  for (const name of ['mine', 'my\nenv']) {
    const [original, staged] = [facts(`/home/me/${name}`), facts(`/scratch/stage/${name}`)]
    // venv up to Python 3.11 exports the prompt with its parentheses.
    for (const prompt of [name, `(${name}) `]) {
      const env = { VIRTUAL_ENV: original.prefix, VIRTUAL_ENV_PROMPT: prompt }
      const { values, ps1 } = stateOfVenvStage({ env, ps1: `(${name}) $ `, original, staged })
      assert.equal(ps1, `(${name}*) $ `)
      assert.equal(values.VIRTUAL_ENV_PROMPT, prompt.replace(name, `${name}*`))
    }
  }
})
