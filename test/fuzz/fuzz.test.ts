import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runTarget } from './run-target.ts'
import { targets } from './targets.ts'

// `npm run fuzz -- --minutes=10` runs them longer, with another seed each time.
for (const target of Object.keys(targets))
  test(`hundreds of changed inputs for ${target}, led by what they reach in the code, are read or refused, and nothing else`, async () => {
    const { findings, executions, corpus } = await runTarget(target, { seed: 20_261_127, executions: 600 })
    assert.deepEqual(
      findings.map(({ error, input }) => `${error}\n${input.toString('base64')}`),
      [],
    )
    assert.ok(executions >= 600 && corpus > 2, `${executions} runs, ${corpus} inputs that reached something new`)
  })
