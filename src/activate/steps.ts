/**
 * What a session's shell has to do, in order. Shell-neutral data: `render.ts` turns it into code for one dialect.
 * Paths are absolute.
 */
export type Step =
  /** Run a script in the session's shell, as conda does; its failure doesn't stop the rest. */
  | { op: 'source'; script: string }
  | { op: 'export'; name: string; value: string }
  | { op: 'unset'; name: string }
  /** The shell's own prompt variable (PS1), which is not exported. */
  | { op: 'prompt'; value: string }
  | PathStep
  /** Forget where commands were found. */
  | { op: 'rehash' }
  /**
   * Call the session's own `conda` function, or mamba or micromamba where that is what there is. `otherwise`, which
   * ends in 'return', is for a call that fails and for a session that has no such function.
   */
  | { op: 'conda'; argv: string[]; otherwise: Step[] }
  /** Run the launcher with these arguments; where it fails, return 1. */
  | { op: 'run'; argv: string[] }
  | AtExitStep
  /** Leave the function with this exit status. Always the last step. */
  | { op: 'return'; status: number }

/**
 * Change PATH entry by entry, in the shell and at that moment: scripts that ran before may have changed it, and the
 * program can't hold a PATH that is not UTF-8.
 */
export interface PathStep {
  op: 'path'
  /** An entry that is one of these, or below one, gets `to` in its place. */
  from: string[]
  /** Entries that are one of these, or below one, stay. */
  keep: string[]
  to: string
  /** Where PATH is exactly `when`, it becomes `becomes` instead. */
  exact?: { when: string; becomes: string }
  /** PATH when the plan was made, for shells that can't cut strings; not where it isn't UTF-8. */
  seen?: string
}

/**
 * Have the launcher called when the shell ends, after what the session itself wants done then; or take that back. Shells that
 * have no way to do so do nothing.
 */
export interface AtExitStep {
  op: 'atExit' | 'notAtExit'
  argv: string[]
  /** The launcher is not called where this file is gone. */
  whileThere: string
  /** The process whose end is meant. In other ones, subshells for instance, nothing is done. */
  pid: number
  /** Tells it from others: letters and digits. */
  id: string
}
