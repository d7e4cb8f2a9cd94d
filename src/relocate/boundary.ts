/**
 * The rules that distinguish `/a/env2`, `/a/env.bak` and `/mnt/a/env` from `/a/env`.
 *
 * Both rules read the text through a function that returns the n-th character (code unit) away from the match, or -1
 * beyond the file. Neither looks further than REACH characters.
 */
export type CharacterAt = (n: number) => number

/** More than a path component (255 bytes) and an escape behind it. */
export const REACH = 300

/** Whether the last path component of the match ends with the match. Character 0 is the one directly behind it. */
export function endsComponent(at: CharacterAt): boolean {
  const next = at(0)
  if (next === DOT) return !continuesName(at(runOf(DOT, at)))
  if (next === PERCENT) return numberAt(at, 1, 2, 16) === undefined
  if (next === BACKSLASH) return !continuesName(escaped(at))
  return !continuesName(next)
}

/** Whether a path begins with the match. Character 0 is the one directly before it. */
export function startsPath(at: CharacterAt): boolean {
  // Several slashes count as one: '//a/env' is '/a/env', and '/mnt//a/env' is '/mnt/a/env'.
  const from = runOf(SLASH, at)
  if (at(from) === CLOSE_BRACE || at(from) === CLOSE_PARENTHESIS) return false
  let to = from
  while (to < REACH && inName(at, to, from)) to++
  if (to === from || to === REACH) return true
  // '/mnt/a/env', '$HOME/a/env'; but not '-L/a/env' or 'FOO=/a/env'
  if (at(to) === SLASH || at(to) === DOLLAR) return false
  // '~/a/env', '~me/a/env', './a/env', '../a/env'
  return at(to - 1) !== TILDE && from + runOf(DOT, (n) => at(from + n)) < to
}

/** Whether a character belongs to a name: plain, percent-encoded, or a blank behind a backslash (all read backwards). */
function inName(at: CharacterAt, n: number, from: number): boolean {
  const character = at(n)
  if (isName(character) || character >= 0x80) return true
  if (n === from) return false
  if (character === PERCENT) return n - from >= 2 && numberAt(at, n - 2, 2, 16) !== undefined
  return (character === BLANK && at(n + 1) === BACKSLASH) || (character === BACKSLASH && at(n - 1) === BLANK)
}

/** The character that the escape sequence at 0 stands for, or -1 if it ends a name. Any number of backslashes counts as one. */
function escaped(at: CharacterAt): number {
  const from = runOf(BACKSLASH, at)
  const letter = at(from)
  const value =
    (letter === 0x75 ? numberAt(at, from + 1, 4, 16) : undefined) ?? // \u00e9
    (letter === 0x55 ? numberAt(at, from + 1, 8, 16) : undefined) ?? // \U000000e9
    (letter === 0x78 ? numberAt(at, from + 1, 2, 16) : undefined) ?? // \xe9
    numberAt(at, from, 3, 8) // \303
  if (value !== undefined) return value === BLANK ? UNDERSCORE : value
  // Behind a backslash, a blank or a sign is part of the name; a letter makes it an escape such as '\n'.
  if (letter === BLANK) return UNDERSCORE
  return isAlphanumeric(letter) ? -1 : letter
}

function runOf(character: number, at: CharacterAt): number {
  let n = 0
  while (n < REACH / 4 && at(n) === character) n++
  return n
}

function numberAt(at: CharacterAt, from: number, digits: number, radix: number): number | undefined {
  let value = 0
  for (let n = from; n < from + digits; n++) {
    const digit = Number.parseInt(String.fromCharCode(Math.max(at(n), 0)), radix)
    if (Number.isNaN(digit)) return undefined
    value = value * radix + digit
  }
  return value
}

const BLANK = 0x20
const DOLLAR = 0x24
const PERCENT = 0x25
const CLOSE_PARENTHESIS = 0x29
const DOT = 0x2e
const SLASH = 0x2f
const BACKSLASH = 0x5c
const UNDERSCORE = 0x5f
const CLOSE_BRACE = 0x7d
const TILDE = 0x7e

const isAlphanumeric = (c: number): boolean =>
  (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a)

const signs = new Set([...'_.+@~-'].map((sign) => sign.charCodeAt(0)))
const isName = (c: number): boolean => isAlphanumeric(c) || signs.has(c)
const continuesName = (c: number): boolean => isName(c) || c === 0x3d /* = */ || c >= 0x80
