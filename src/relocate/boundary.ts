/**
 * The rules that distinguish `/a/env2`, `/a/env.bak` and `/mnt/a/env` from `/a/env`.
 *
 * What stands behind a match is read through a function that returns the n-th character (code unit) from the match on,
 * or -1 beyond the file. Neither rule looks further than REACH characters.
 */
export type CharacterAt = (n: number) => number

/** More than a path component (255 bytes) and an escape behind it. */
export const REACH = 300

/** Whether, by its characters, the last path component of the match ends with the match. Character 0 is the one directly behind it. */
export function endsComponent(at: CharacterAt): boolean {
  const next = at(0)
  if (next === DOT) return !continuesName(at(runOf(DOT, at)))
  if (next === PERCENT) return numberAt(at, 1, 2, 16) === undefined
  if (next === BACKSLASH) return !continuesName(escaped(at))
  return !continuesName(next)
}

/**
 * What the text before a match says of it.
 * - nothing: a path begins with the match
 * - path: another path goes on with it, as in `/mnt/a/env`; in data without text, another string may stand there
 * - other: it is another path, as in `~/a/env`, `./a/env`, `$HOME/a/env` and `http://host/a/env`
 */
export type Lead = 'nothing' | 'path' | 'other'

/** @param text up to REACH characters before the match; unknown bytes are U+FFFD */
export function leadOf(text: string): Lead {
  // Several slashes count as one: '//a/env' is '/a/env', and '/mnt//a/env' is '/mnt/a/env'.
  const before = text.replace(/(?:\\*\/)+$/, '')
  if (HOME.test(before)) return 'other'
  if (SUBSTITUTION.test(before)) return 'nothing'
  if (before.includes(':') && AUTHORITY.test(before)) return isFileUrl(before) ? 'nothing' : 'other'
  const start = nameStart(before)
  if (before[start - 1] === '/') return 'path'
  return /^\.+$/.test(before.slice(start)) ? 'other' : 'nothing'
}

/** Whether the text ends in `file://` or `file://HOST`, or in an editor's `vscode://file`. */
export function isFileUrl(text: string): boolean {
  const [, scheme, host] = AUTHORITY.exec(text) ?? []
  return scheme?.toLowerCase() === 'file' || host === 'file'
}

/** Variables are empty or end where the match begins (`$(DESTDIR)/a/env`); a home never is. */
const HOME = /(?:\$HOME|[{(]HOME[)}]|%HOME%|(?:^|[^\w/~])~[\w.-]*)$/
const AUTHORITY = /([a-z][\w.-]*):\\?\/\\?\/([^\s/"'<>`|\\]*)$/i
/** Signs that hardly any name ends with, and those between the halves of sed's command `s`. */
const SUBSTITUTION = /[@%]$|(?:^|\W)s([+~_.-]).*\1$/

/** Where the file name begins that the text ends with. */
function nameStart(text: string): number {
  let start = text.length
  for (;;) {
    if (start > 0 && isNamePart(text.charCodeAt(start - 1))) start--
    else if (start > 1 && text[start - 2] === '\\' && ESCAPED.test(text[start - 1]!)) start -= 2
    else return start
  }
}

const ESCAPED = /[ $&#;()]/
const isNamePart = (c: number): boolean => isName(c) || c === PERCENT || (c >= 0x80 && c !== 0xfffd)

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
const PERCENT = 0x25
const DOT = 0x2e
const BACKSLASH = 0x5c
const UNDERSCORE = 0x5f

const isAlphanumeric = (c: number): boolean =>
  (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a)

const signs = new Set([...'_.+@~-'].map((sign) => sign.charCodeAt(0)))
const isName = (c: number): boolean => isAlphanumeric(c) || signs.has(c)
const continuesName = (c: number): boolean => isName(c) || c === 0x3d /* = */ || c >= 0x80
