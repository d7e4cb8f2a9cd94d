import { quotePosix as quote } from '../activate/quote.ts'
import type { CompletableOption } from './option.ts'

/** OPTIONS: words to choose from. VALUES: arms of a `case` for options that take a value. */
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
