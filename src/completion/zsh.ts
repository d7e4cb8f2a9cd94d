import { quotePosix as quote } from '../activate/quote.ts'
import type { CompletableOption, Value } from './option.ts'

/** SPECS: the arguments of `_arguments`. */
export function zshParts(options: CompletableOption[]): Record<string, string> {
  return {
    SPECS: options
      .flatMap(specs)
      .map((spec) => `    ${quote(spec)}`)
      .join(' \\\n'),
  }
}

function specs({ names, description, value, repeatable }: CompletableOption): string[] {
  const before = repeatable ? '*' : names.length > 1 ? `(${names.join(' ')})` : ''
  const sign = (name: string) => (value === undefined ? '' : name.startsWith('--') ? '=' : '+')
  return names.map((name) => `${before}${name}${sign(name)}[${escaped(description)}]${value ? action(value) : ''}`)
}

const ACTIONS: Record<Exclude<Value['kind'], 'choice'>, string> = {
  folder: '_files -/',
  file: '_files',
  environment: '_conda-stage-environments',
  other: ' ',
}

function action({ name, kind, choices, optional }: Value): string {
  const how = kind === 'choice' ? `(${choices.map(escaped).join(' ')})` : ACTIONS[kind]
  return `:${optional ? ':' : ''}${escaped(name)}:${how}`
}

const escaped = (text: string): string => text.replaceAll(/[\\[\]:]/g, '\\$&')
