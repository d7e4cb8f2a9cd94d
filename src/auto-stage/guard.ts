import type { Step } from '../activate/steps.ts'

/** While this is set, the scripts of automatic staging do nothing. */
const GUARD = '__CONDA_STAGE_AUTO'

/** Steps that let conda activate the original, which is not to be staged by that. */
export const withoutAutoStaging = (steps: Step[]): Step[] => [
  { op: 'export', name: GUARD, value: 'off' },
  ...freeBeforeEnd(steps),
]

function freeBeforeEnd(steps: Step[]): Step[] {
  return steps.flatMap((step): Step[] => {
    if (step.op === 'conda') return [{ ...step, otherwise: freeBeforeEnd(step.otherwise) }]
    // Either may leave the function.
    return step.op === 'return' || step.op === 'run' ? [{ op: 'unset', name: GUARD }, step] : [step]
  })
}
