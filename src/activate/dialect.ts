import type { Step } from './steps.ts'

export interface RenderContext {
  /** `$-` of the session: its single-letter options. */
  flags: string
  /** Absolute path of bin/conda-stage. */
  launcher: string
}

/** Everything we know about a shell. A new shell is an entry in `dialects` and its own templates. */
export interface Dialect {
  /** Extension of the scripts in activate.d that conda runs in this shell. */
  scriptExtension: string
  /** Extension of its templates, if that isn't the dialect's name. */
  templates?: string
  /** The value that conda gives to a variable that it unsets; `null` if it really unsets it. */
  condaUnsets: '' | null
  /** Characters in a value that conda does not quote as this shell needs it. */
  condaBreaksAt: RegExp
  quote(text: string): string
  /** Lines before all steps. */
  opening?: string[]
  /** Lines of shell code. */
  render(step: Step, context: RenderContext): string[]
}
