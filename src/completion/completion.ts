import { readFileSync } from 'node:fs'
import { bashParts } from './bash.ts'
import { fishParts } from './fish.ts'
import type { CompletableOption } from './option.ts'
import { zshParts } from './zsh.ts'

/** What stands in each template, by name. A new shell is an entry here and a template of its own. */
const shells = { bash: bashParts, zsh: zshParts, fish: fishParts } satisfies Record<
  string,
  (options: CompletableOption[]) => Record<string, string>
>

export type CompletionShell = keyof typeof shells
export const COMPLETION_SHELLS = Object.keys(shells) as CompletionShell[]

export const isCompletionShell = (name: string): name is CompletionShell => Object.hasOwn(shells, name)

/**
 * Code that completes the options of conda-stage and their values. It starts no program of ours: completion on a slow file
 * system would keep people waiting.
 */
export function completion(shell: CompletionShell, options: CompletableOption[]): string {
  const parts: Record<string, string> = shells[shell](options)
  const template = readFileSync(new URL(`./templates/completion.${shell}`, import.meta.url), 'utf8')
  return template.replaceAll(/@([A-Z]+)@/g, (_, name: string) => parts[name]!)
}
