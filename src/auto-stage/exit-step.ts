import type { AtExitStep, Step } from '../activate/steps.ts'

/** What has to be known of a stage that goes with a session. */
export interface Bound {
  /** The staged prefix. */
  prefix: string
  /** A file that is there as long as the stage is. */
  marker: string
  /** Process of the session's shell. */
  pid: number
}

/** Has the shell remove the stage when it ends, or takes that back. */
export const exitStep = (op: AtExitStep['op'], { prefix, marker, pid }: Bound): AtExitStep => ({
  op,
  argv: ['--leave', `--prefix=${prefix}`, '--quiet'],
  whileThere: marker,
  pid,
  id: /conda-stage_([A-Za-z0-9]+)\/[^/]*$/.exec(marker)?.[1] ?? '',
})

export const beforeEnd = (steps: Step[], step: Step): Step[] => [...steps.slice(0, -1), step, ...steps.slice(-1)]
