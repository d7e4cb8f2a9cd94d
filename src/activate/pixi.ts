import { literal, replaceFirst } from './prompt.ts'
import type { FollowStep } from './steps.ts'

type Variables = Readonly<Record<string, string | undefined>>

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
export function promptOfPixi(env: Variables): PixiPrompt | undefined {
  const { PIXI_PROMPT: plain, CONDA_DEFAULT_ENV: name } = env
  return plain && plain === `(${name}) ` ? { plain, starred: `(${name}*) ` } : undefined
}

/** PS1 without the part, if it has none, is the user's own: pixi's `change-ps1 = false`. */
export const swapPixiPart = (ps1: string | undefined, from: string, to: string): string | undefined =>
  ps1?.includes(to) ? ps1 : ps1 && replaceFirst(ps1, from, to)

/**
 * Variables that lead into the environment, as `[activation] env` and scripts of `[activation]` have set them: pixi wrote the path into
 * them once, and has no script that would do it again for another prefix. What scripts of the environment's packages set is among them,
 * so each gets its new value behind those scripts, and only if they have left it as it was.
 *
 * @param from all spellings of the prefix
 */
export function followingVariables(env: Variables, from: readonly string[], to: string): FollowStep[] {
  if (promptOfPixi(env) === undefined) return []
  const prefix = new RegExp(`(?<=^|[\\s:;,="'(]|-[IL])(?:${from.map(literal).join('|')})(?![\\w.-])`, 'g')
  return Object.entries(env).flatMap(([name, text]): FollowStep[] => {
    // The program can't hold a value that is not UTF-8.
    const was = text?.includes('\uFFFD') ? undefined : text
    if (was === undefined || OTHERS.test(name) || !/^[A-Za-z_]\w*$/.test(name)) return []
    const value = was.replace(prefix, () => to)
    return value === was ? [] : [{ op: 'follow', name, was, value }]
  })
}

/** What tells about the workspace or about environments beneath, and what the plan or the shell itself sees to. */
const OTHERS = /^(?:PIXI_.*|_*CONDA_.*|PATH|PS1|PWD|OLDPWD|_)$/
