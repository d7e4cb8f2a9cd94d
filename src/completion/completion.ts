import { readFileSync } from 'node:fs'
import { bashParts } from './bash.ts'
import { fishParts } from './fish.ts'
import type { CompletableOption } from './option.ts'
import { zshParts } from './zsh.ts'

/** What fills each shell's template, by name. A new shell takes an entry here and a template. */
const shells = { bash: bashParts, zsh: zshParts, fish: fishParts } satisfies Record<
  string,
  (options: CompletableOption[]) => Record<string, string>
>

export type CompletionShell = keyof typeof shells
export const COMPLETION_SHELLS = Object.keys(shells) as CompletionShell[]

export const isCompletionShell = (name: string): name is CompletionShell => Object.hasOwn(shells, name)

/**
 * Code that completes the options of conda-stage and their values. It does not start conda-stage, because that would keep
 * people waiting on a slow file system.
 */
export function completion(shell: CompletionShell, options: CompletableOption[]): string {
  const parts: Record<string, string> = shells[shell](options)
  const template = readFileSync(new URL(`./templates/completion.${shell}`, import.meta.url), 'utf8')
  return template.replaceAll(/@([A-Z]+)@/g, (_, name: string) => parts[name]!)
}
