import type { Step } from '../activate/steps.ts'

/** While this variable is set, the scripts of automatic staging do nothing. */
const GUARD = '__CONDA_STAGE_AUTO'

/** Steps in which conda activates the original, without staging it automatically. */
export const withoutAutoStaging = (steps: Step[]): Step[] => [
  { op: 'export', name: GUARD, value: 'off' },
  ...freeBeforeEnd(steps),
]

function freeBeforeEnd(steps: Step[]): Step[] {
  return steps.flatMap((step): Step[] => {
    if (step.op === 'conda' || step.op === 'check') return [{ ...step, otherwise: freeBeforeEnd(step.otherwise) }]
    // Either of these may leave the function.
    return step.op === 'return' || step.op === 'run' ? [{ op: 'unset', name: GUARD }, step] : [step]
  })
}
