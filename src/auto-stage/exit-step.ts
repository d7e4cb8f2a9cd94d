import type { AtExitStep, Step } from '../activate/steps.ts'

/** A stage that is removed when a session's shell ends. */
export interface Bound {
  /** The staged prefix. */
  prefix: string
  /** A file that exists as long as the stage does. */
  marker: string
  /** Process of the shell. */
  pid: number
}

/** Has the shell remove the stage when it ends, or cancels that. */
export const exitStep = (op: AtExitStep['op'], { prefix, marker, pid }: Bound): AtExitStep => ({
  op,
  argv: ['--leave', `--prefix=${prefix}`, '--quiet'],
  whileThere: marker,
  pid,
  id: /conda-stage_([A-Za-z0-9]+)\/[^/]*$/.exec(marker)?.[1] ?? '',
})

export const beforeEnd = (steps: Step[], step: Step): Step[] => [...steps.slice(0, -1), step, ...steps.slice(-1)]
