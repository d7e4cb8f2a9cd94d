import type { Option } from 'commander'
import type { CompletableOption, Value } from '../completion/option.ts'

/** By the names that --help has for them. Other values can't be completed. */
const KINDS: Record<string, Value['kind']> = { dir: 'folder', file: 'file', env: 'environment' }

/** What completion needs to know about the options that --help lists. */
export function completable(options: readonly Option[]): CompletableOption[] {
  return options
    .filter(({ hidden }) => !hidden)
    .map((option) => {
      const name = /[<[]([\w-]+)/.exec(option.flags)?.[1]
      const choices = option.argChoices ?? []
      return {
        names: [option.short, option.long].filter((name) => name !== undefined),
        description: option.description,
        value:
          name === undefined
            ? undefined
            : {
                name,
                kind: choices.length > 0 ? 'choice' : (KINDS[name] ?? 'other'),
                choices,
                optional: option.optional,
              },
        repeatable: name === 'pattern',
      }
    })
}
