import type { AtExitStep, Step } from '../activate/steps.ts'

/** A stage that is removed when a session's shell ends. */
export interface Bound {
  /** The staged prefix. */
  prefix: string
  /** A file that exists as long as the session uses the stage. */
  marker: string
  /** Letters and digits that tell it from others. */
  id: string
  /** Process of the shell. */
  pid: number
}

/** Has the shell remove the stage when it ends, or cancels that. */
export const exitStep = (op: AtExitStep['op'], { prefix, marker, pid, id }: Bound): AtExitStep => ({
  op,
  argv: ['--leave', `--prefix=${prefix}`, `--session=${pid}`, '--quiet'],
  whileThere: marker,
  pid,
  id,
})

export const beforeEnd = (steps: Step[], step: Step): Step[] => [...steps.slice(0, -1), step, ...steps.slice(-1)]
