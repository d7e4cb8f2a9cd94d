/**
 * What a session's shell must do, in order. This is shell-neutral data: `render.ts` turns it into code for one dialect.
 * Paths are absolute.
 */
export type Step =
  | CheckStep
  /** Run a script in the session's shell, as conda does. If it fails, the other steps still run. */
  | { op: 'source'; script: string }
  | { op: 'export'; name: string; value: string }
  | { op: 'unset'; name: string }
  /**
   * Another name for a virtual environment in the shell's prompt, where PS1 does not hold it: the array `psvar` of zsh has it if
   * virtualenv made the environment, and the function `fish_prompt` if venv did. Other shells do nothing.
   */
  | { op: 'label'; from: string; to: string }
  /** The shell's own prompt variable (PS1), which is not exported. */
  | { op: 'prompt'; value: string }
  /** The environment's part of the prompt that pixi has given to a shell whose prompt is a function. Other shells do nothing. */
  | { op: 'pixiPrompt'; part: string }
  /** If the variable then still has this value, it gets another one. csh, which pixi has no code for, does nothing. */
  | FollowStep
  | PathStep
  | UnderVenvStep
  /** Forget where commands were found. */
  | { op: 'rehash' }
  /**
   * Call the session's own `conda` function, or else `mamba` or `micromamba`. `otherwise`, which ends in 'return', runs if
   * the call fails, if CONDA_PREFIX then isn't what `prefix` says, or if the session has no such function.
   */
  | { op: 'conda'; argv: string[]; prefix: { is: string } | { isNot: string }; otherwise: Step[] }
  /**
   * Have the session's conda function run conda from another installation, if it does not go by CONDA_EXE: the one for fish keeps
   * the value that CONDA_EXE had when it was defined, and the alias for csh sources a file of the installation, which sets CONDA_EXE.
   */
  | { op: 'condaFrom'; from: string[]; to: string }
  /** Run the launcher with these arguments. If it fails, return 1. */
  | { op: 'run'; argv: string[] }
  | AtExitStep
  /** Leave the function with this exit status. Always the last step. */
  | { op: 'return'; status: number }

/**
 * If the session can't change one of these variables, a message says so, and `otherwise` runs, which ends in 'return'. So a
 * session is never left between the two environments. Shells without read-only variables do nothing.
 */
export interface CheckStep {
  op: 'check'
  names: string[]
  otherwise: Step[]
}

export interface FollowStep {
  op: 'follow'
  name: string
  was: string
  value: string
}

/**
 * Changes PATH entry by entry, in the shell, when the step runs: earlier scripts may have changed it, and the program can't
 * hold a PATH that is not UTF-8.
 */
export interface PathStep {
  op: 'path'
  /** Whole entries and what each becomes; `null`: the entry goes. They take precedence over `keep` and `from`. */
  entries?: [whole: string, becomes: string | null][]
  /** In an entry that is one of these or below one, `to` replaces the prefix. */
  from: string[]
  /** Entries that are one of these or below one stay. */
  keep: string[]
  to: string
  /** Goes in front if PATH then has no such entry. */
  first?: string
  /** If PATH is exactly `when`, it becomes `becomes` instead. */
  exact?: { when: string; becomes: string }
  /** PATH when the plan was made, for shells that can't cut strings. Missing if it isn't UTF-8. */
  seen?: string
}

/**
 * What the `deactivate` of a virtual environment gives back: the session's PATH and prompt from when it was activated, which its
 * scripts keep in the shell (_OLD_VIRTUAL_PATH; _OLD_VIRTUAL_PS1, in csh _OLD_VIRTUAL_PROMPT; not exported, so the program can't see
 * them). Where a copy is given back beneath it, they would bring the copy's folder back when it is gone.
 */
export interface UnderVenvStep {
  op: 'underVenv'
  /** Changes that PATH as it changes the session's. */
  path: PathStep
  /** If the prompt is this one, it gets another. */
  prompt?: { was: string; becomes: string }
}

/**
 * Have the shell call the launcher when it ends, after whatever the session itself runs then; or cancel that. Shells that
 * can't do so do nothing.
 */
export interface AtExitStep {
  op: 'atExit' | 'notAtExit'
  argv: string[]
  /** The launcher is not called if this file is gone. */
  whileThere: string
  /** The shell's process. In other processes, such as subshells, nothing happens. */
  pid: number
  /** Distinguishes this step from others: letters and digits. */
  id: string
}
