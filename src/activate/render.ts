import type { Dialect, RenderContext } from './dialect.ts'
import { type DialectName, dialects } from './dialects.ts'
import type { Step } from './steps.ts'

/**
 * Stands at the begin and the end of the code that goes to the shell function. What the session's own DEBUG trap or
 * xtrace may print into the same pipe falls outside of the two, and the function cuts it off.
 * @internal Exported for its tests.
 */
export const MARK = 'conda_stage_code'

/** Shell code for the steps, to be handed to the shell function of the session. */
export function render(steps: Step[], dialect: DialectName, context: RenderContext): string {
  const { opening = [], render }: Dialect = dialects[dialect]
  const lines = steps.flatMap((step) => render(step, context))
  return [`: ${MARK}`, ...opening, ...lines, `: ${MARK}`, ''].join('\n')
}
