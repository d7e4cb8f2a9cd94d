/**
 * Gives changed inputs to whatever reads bytes of strangers, for as long as you like: `npm run fuzz -- --minutes=10`.
 * `--target=NAME` takes one target, `--seed=N` repeats a run, `--input=FILE` runs one input. Inputs that go wrong are put into the
 * current folder.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { failureOf } from '../test/fuzz/fuzz.ts'
import { runTarget } from '../test/fuzz/run-target.ts'
import { prepareTargets, targets } from '../test/fuzz/targets.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    target: { type: 'string' },
    seed: { type: 'string' },
    input: { type: 'string' },
  },
})
const names = values.target === undefined ? Object.keys(targets) : [values.target]
for (const name of names)
  if (!(name in targets)) throw new Error(`no target ${name}: ${Object.keys(targets).join(', ')}`)

if (values.input !== undefined) {
  await prepareTargets()
  console.log((await failureOf(targets[names[0]!]!, readFileSync(values.input))) ?? 'nothing is wrong')
} else {
  const seed = values.seed === undefined ? Date.now() % 2 ** 32 : Number(values.seed)
  const milliseconds = (Number(values.minutes ?? 1) * 60_000) / names.length
  console.log(`seed ${seed}, ${Math.round(milliseconds / 1000)} s for each target`)
  let bad = 0
  for (const name of names) {
    const { executions, corpus, coverage, findings } = await runTarget(name, { seed, milliseconds })
    const covered = coverage.all === 0 ? '' : `, ${Math.round((100 * coverage.run) / coverage.all)} % of its code`
    console.log(
      `${name}: ${executions} inputs${covered}, ${corpus} that reached something new, ${findings.length} findings`,
    )
    for (const { input, error } of findings) {
      const file = `fuzz-${name}-${createHash('sha256').update(input).digest('hex').slice(0, 8)}`
      writeFileSync(file, input)
      console.log(`  ${file}: ${error}`)
    }
    bad += findings.length
  }
  process.exitCode = bad > 0 ? 1 : 0
}
