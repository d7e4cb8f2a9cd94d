import { quotePosix as quote } from '../activate/quote.ts'
import type { CompletableOption } from './option.ts'

/** OPTIONS: all options. VALUES: arms of a `case`, one for each option that takes a value. */
export function bashParts(options: CompletableOption[]): Record<string, string> {
  const arms = options.flatMap(({ names, value }) => {
    if (value === undefined) return []
    const choices = value.kind === 'choice' ? ` choices=${quote(value.choices.join(' '))}` : ''
    return [`    ${names.join(' | ')}) kind=${value.kind}${choices} ;;`]
  })
  return { OPTIONS: quote(options.map(word).join(' ')), VALUES: arms.join('\n') }
}

const word = ({ names, value }: CompletableOption): string =>
  names.at(-1)! + (value === undefined || value.optional ? '' : '=')
