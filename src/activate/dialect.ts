import type { Step } from './steps.ts'

export interface RenderContext {
  /** `$-` of the session: its single-letter options. */
  flags: string
  /** Absolute path of bin/conda-stage. */
  launcher: string
}

/** All that is to be known of a shell. A new one is an entry in `dialects` and a template of its own. */
export interface Dialect {
  /** Of the scripts in activate.d that conda runs in this shell. */
  scriptExtension: string
  /** What its templates are called by, where that isn't its name. */
  templates?: string
  quote(text: string): string
  /** Lines that come before all steps. */
  opening?: string[]
  /** Shell code, in lines. */
  render(step: Step, context: RenderContext): string[]
}
