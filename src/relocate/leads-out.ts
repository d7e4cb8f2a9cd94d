import { type CharacterAt, REACH } from './boundary.ts'

const SLASH = 0x2f
/** What ends a path in whatever kind of text. */
const NO_NAME = new Set([...'\0\t\n\r "\'`:;,<>()[]{}|&$!*?#=\\'].map((sign) => sign.charCodeAt(0)))

/**
 * Whether the path that goes on behind a prefix leaves the environment by `..`, as `P/../other` does: from a copy it would lead
 * elsewhere. `P/../x` comes back at once, since the copy of an environment called x is called x too.
 * @param at characters behind the match: 0 is the first
 * @param name the environment's, in the match's characters
 */
export function leadsOut(at: CharacterAt, name: string): boolean {
  let depth = 0
  for (let n = 0; n < REACH && at(n) === SLASH; ) {
    while (at(n) === SLASH) n++
    let part = ''
    for (; n < REACH && at(n) > 0 && at(n) !== SLASH && !NO_NAME.has(at(n)); n++) part += String.fromCharCode(at(n))
    if (depth < 0 && part !== '' && part !== '.') {
      if (depth < -1 || part !== name) return true
      depth = 0
    } else if (part === '..') depth--
    else if (part !== '' && part !== '.') depth++
  }
  return depth < 0
}

/**
 * Whether a path that leads out comes back into the environment by the names of folders above it, as `/a/env/../../a/env` does.
 * From a copy it can't: the copy's folders have other names.
 * @param at as for `leadsOut`
 * @param prefix in the match's characters
 */
export function comesBack(at: CharacterAt, prefix: string): boolean {
  let text = ''
  for (let n = 0; n < REACH && at(n) > 0 && !NO_NAME.has(at(n)); n++) text += String.fromCharCode(at(n))
  const folders = prefix.split('/').slice(1)
  const path = [...folders]
  let isOut = false
  for (const part of text.split('/')) {
    if (part === '..') path.pop()
    else if (part !== '' && part !== '.') path.push(part)
    isOut ||= path.length < folders.length
    if (isOut && folders.every((name, level) => name === path[level])) return true
  }
  return false
}
