import { replaceFirst } from './prompt.ts'

/** The environment's part of the prompt in a session that pixi has activated, and that of its copy. */
export interface PixiPrompt {
  plain: string
  starred: string
}

/**
 * Undefined if the session's environment was activated by another tool, perhaps in a shell of pixi. pixi sets CONDA_DEFAULT_ENV and
 * PIXI_PROMPT to the same name, `WORKSPACE` or `WORKSPACE:ENVIRONMENT`, and no CONDA_PROMPT_MODIFIER: one that is there belongs to the
 * environment beneath. All three stay as they are, as the other PIXI_* do, because they tell about the workspace and not about a path.
 *
 * Source: `get_static_environment_variables` and `get_metadata_env` in pixi's crates/pixi_core/src/activation.rs.
 */
export function promptOfPixi(env: Readonly<Record<string, string | undefined>>): PixiPrompt | undefined {
  const { PIXI_PROMPT: plain, CONDA_DEFAULT_ENV: name } = env
  return plain && plain === `(${name}) ` ? { plain, starred: `(${name}*) ` } : undefined
}

/** PS1 without the part, if it has none, is the user's own: pixi's `change-ps1 = false`. */
export const swapPixiPart = (ps1: string | undefined, from: string, to: string): string | undefined =>
  ps1?.includes(to) ? ps1 : ps1 && replaceFirst(ps1, from, to)
