import type { Dialect, RenderContext } from './dialect.ts'
import { type DialectName, dialects } from './dialects.ts'
import type { Step } from './steps.ts'

/**
 * Marks the beginning and the end of the code for the shell function. Whatever the session's own DEBUG trap or xtrace
 * prints into the same pipe is outside of the two marks, and the function cuts it off.
 */
export const MARK = 'conda_stage_code'

/** Shell code for the steps, for the session's shell function. */
export function render(steps: Step[], dialect: DialectName, context: RenderContext): string {
  const { opening = [], render }: Dialect = dialects[dialect]
  const lines = steps.flatMap((step) => render(step, context))
  return [`: ${MARK}`, ...opening, ...lines, `: ${MARK}`, ''].join('\n')
}
