/**
 * Gives PS1 another modifier (CONDA_PROMPT_MODIFIER: the text that conda adds, and later removes by its text). A PS1
 * without the old modifier is the user's own, or recomposed for each prompt; it stays.
 *
 * @param old `undefined` if the session has none; the new modifier then goes in front
 */
export function swapModifier(ps1: string | undefined, old: string | undefined, modifier: string): string | undefined {
  if (ps1 === undefined) return undefined
  if (old === undefined) return modifier + ps1
  return replaceFirst(ps1, old, old === '' ? '' : modifier)
}

/** Replaces the first of `names`, longest first, that is a word in `text`. */
export function replaceName(text: string, names: string[], to: string): string {
  for (const name of names.filter(Boolean).sort((a, b) => b.length - a.length)) {
    const word = new RegExp(`(?<![\\w.-])${literal(name)}(?![\\w.-])`, 'u')
    if (word.test(text)) return text.replace(word, () => to)
  }
  return text
}

/** A pattern that is this text. */
export const literal = (text: string): string => text.replace(SPECIAL, '\\$&')

const SPECIAL = /[\\^$.*+?()[\]{}|/]/g

/** Takes the replacement literally: `$&` and the like have no meaning. */
export const replaceFirst = (text: string, from: string, to: string): string => text.replace(from, () => to)
