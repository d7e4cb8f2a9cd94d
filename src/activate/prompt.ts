/**
 * Give PS1 another modifier (CONDA_PROMPT_MODIFIER, conda's contribution, which conda takes away again by its text).
 * A PS1 without the old one is the user's own, or made anew for each prompt, and stays.
 *
 * @param old `undefined` where the session has none: then the new one is put in front
 */
export function swapModifier(ps1: string | undefined, old: string | undefined, modifier: string): string | undefined {
  if (ps1 === undefined) return undefined
  if (old === undefined) return modifier + ps1
  return replaceFirst(ps1, old, old === '' ? '' : modifier)
}

/** The first of `names`, longest first, that stands in `text` as a word gives way to `to`. */
export function replaceName(text: string, names: string[], to: string): string {
  for (const name of names.filter(Boolean).sort((a, b) => b.length - a.length)) {
    const word = new RegExp(`(?<![\\w.-])${name.replace(SPECIAL, '\\$&')}(?![\\w.-])`, 'u')
    if (word.test(text)) return text.replace(word, () => to)
  }
  return text
}

const SPECIAL = /[\\^$.*+?()[\]{}|/]/g

/** The replacement is taken as it is, without `$&` and the like. */
export const replaceFirst = (text: string, from: string, to: string): string => text.replace(from, () => to)
