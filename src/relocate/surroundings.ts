import { isUtf8 } from 'node:buffer'
import { bytePathOf } from '../model/byte-path.ts'
import type { Encoding } from '../model/relocation.ts'
import { endsComponent, type Lead, leadOf, REACH } from './boundary.ts'
import { unitWidth } from './encodings.ts'
import { comesBack, leadsOut } from './leads-out.ts'
import { type Match, standsAt } from './search.ts'

/** Bytes that may belong to a path or a variable. Before any other a path begins: with thousands of matches this counts. */
const MAY_LEAD = new Uint8Array(256).fill(1, 0x80)
for (const byte of Buffer.from('/})]%_.+@~-0123456789')) MAY_LEAD[byte] = 1
for (let byte = 0x41; byte <= 0x5a; byte++) MAY_LEAD[byte] = MAY_LEAD[byte + 0x20] = 1

/** Whether the byte before a match may matter to what it is. */
export const mayLead = (window: Buffer, start: number): boolean => start > 0 && MAY_LEAD[window[start - 1]!] === 1

/** What the text before a match says of it. @param from where that text begins */
export function leadBefore(window: Buffer, match: Match, from = 0): Lead {
  const { start, needle } = match
  if (unitWidth(needle.encoding) === 1 && (start === from || MAY_LEAD[window[start - 1]!] === 0)) return 'nothing'
  return leadOf(textBefore(window, match, from))
}

/** Up to REACH characters before a match, in the match's own encoding; no more than its line. */
export function textBefore(window: Buffer, { start, needle: { encoding } }: Match, from = 0): string {
  const width = unitWidth(encoding)
  const count = Math.min(REACH, Math.floor((start - from) / width))
  if (width === 1) return window.toString('utf8', afterControl(window, start - count, start), start)
  const bytes = window.subarray(start - count * width, start)
  const isBig = encoding.endsWith('be')
  if (width === 2) return (isBig ? Buffer.from(bytes).swap16() : bytes).toString('utf16le')
  const points = Array.from({ length: count }, (_, n) =>
    isBig ? bytes.readUInt32BE(4 * n) : bytes.readUInt32LE(4 * n),
  )
  return points.map((point) => (point > 0x10ffff ? '\ufffd' : String.fromCodePoint(point))).join('')
}

/**
 * Whether the path that begins with the match leaves the environment again, as `P/../other` does, or even comes back from
 * further up, as `P/../../envs/x` does.
 * @param prefix the match's
 */
export function leavesPrefix(
  window: Buffer,
  { start, needle: { bytes, encoding } }: Match,
  { prefix, name }: { prefix: string; name: string },
): 'no' | 'yes' | 'comes back' {
  const width = unitWidth(encoding)
  const unit = unitsOf(window, encoding)
  const end = start + bytes.length
  if (unit(end) !== SLASH) return 'no'
  const at = (n: number) => unit(end + n * width)
  const spelled = (text: string) => (width > 1 ? text : bytePathOf(text))
  if (!leadsOut(at, spelled(name))) return 'no'
  return comesBack(at, spelled(prefix)) ? 'comes back' : 'yes'
}

/** Gives the character at an offset, in the bytes of its encoding; -1 outside of the window. */
function unitsOf(window: Buffer, encoding: Encoding): (at: number) => number {
  const width = unitWidth(encoding)
  return (at) => {
    if (at < 0 || at + width > window.length) return -1
    return encoding.endsWith('be') ? window.readUIntBE(at, width) : window.readUIntLE(at, width)
  }
}

/**
 * Whether a match in UTF-16 or UTF-32 is one in the other byte order, a few bytes further. Of the two the aligned one is
 * meant, else the little-endian one. `base` is the window's offset in the file.
 */
export function isOtherOrder(window: Buffer, { needle, start }: Match, base: number): boolean {
  const { encoding, bytes } = needle
  const width = unitWidth(encoding)
  if ((base + start) % width === 0) return false
  const isBig = encoding.endsWith('be')
  const other = start + (isBig ? width - 1 : 1 - width)
  const isAligned = (base + other) % width === 0
  const swapped = width === 2 ? Buffer.from(bytes).swap16() : Buffer.from(bytes).swap32()
  return (isAligned || isBig) && standsAt(window, swapped, other)
}

/** Whether the match ends the name that it ends with, and does not begin the longer name of another environment. */
export function endsName(window: Buffer, { start, needle }: Match): boolean {
  const { bytes, encoding, siblings } = needle
  const width = unitWidth(encoding)
  const end = start + bytes.length
  const unit = unitsOf(window, encoding)
  const ends = (from: number) => endsComponent((n) => unit(from + n * width))
  if (siblings === undefined) return ends(end)
  return !siblings.some((sibling) => {
    const behind = end + sibling.bytes.length
    if (!standsAt(window, sibling.bytes, end) || !ends(behind)) return false
    // `/a/env old` may be that sibling, or the environment and a word.
    return !sibling.isWord || unit(behind) === SLASH || (isQuote(unit(behind)) && unit(behind) === unit(start - width))
  })
}

/**
 * Whether the byte before the match is the count of a string that begins with it: as many bytes follow without a control
 * character. The letter that ends another path hardly ever is one by chance.
 */
export function isCounted(window: Buffer, start: number, end: number): boolean {
  const stringEnd = start + (window[start - 1] ?? 0)
  return stringEnd >= end && stringEnd <= window.length && !hasControl(window, end, stringEnd)
}

/** Whether the bytes before the match, from a NUL on, are a path that the match goes on with, as in C's `/mnt/a/env`. */
export function isPathOfString(window: Buffer, start: number): boolean {
  const from = afterControl(window, Math.max(0, start - REACH), start)
  return window[from] === SLASH && window[from - 1] === 0
}

/** Signs that a file without a NUL is data: see `dataSigns`. */
export interface DataSigns {
  /** Control characters nearby, or bytes that are no UTF-8 before it on its line. */
  isBinary: boolean
  /** A number that is the exact count of the string with the match in it; or one right before the match that is not. */
  count: 'right' | 'wrong' | 'none'
}

/** Looks at what surrounds a match as `file` looks at a file, and for a decimal count of the string that holds it. */
export function dataSigns(window: Buffer, start: number, end: number): DataSigns {
  const from = Math.max(0, start - REACH)
  let lineStart = from + window.subarray(from, start).lastIndexOf(NEWLINE) + 1
  // REACH may have cut a character.
  for (let n = 0; n < 3 && lineStart === from + n && from > 0 && (window[lineStart]! & 0xc0) === 0x80; n++) lineStart++
  const isBinary =
    hasControl(window, from, Math.min(window.length, end + REACH)) || !isUtf8(window.subarray(lineStart, start))
  return { isBinary, count: decimalCount(window, window.toString('latin1', from, start), start, end) }
}

function decimalCount(window: Buffer, before: string, start: number, end: number): DataSigns['count'] {
  let count: DataSigns['count'] = 'none'
  for (const { 0: text, 1: sameLine, 2: separator = '\n', 3: lineEnd, 4: ownLine, index } of before.matchAll(COUNT)) {
    const from = start - before.length + index + text.length
    const lengths = ownLine ? [Number(ownLine), Number.parseInt(ownLine, 16)] : [Number(sameLine ?? lineEnd)]
    const isRight = lengths.some((length) => {
      const to = from + length
      return isNear(window, end, to) && isEnd(separator, window.toString('latin1', to, to + 2))
    })
    if (isRight) return 'right'
    if (from === start) count = 'wrong'
  }
  return isPacket(window, start, end) || isCountedByByte(window, start, end) ? 'right' : count
}

/** Whether a string that holds the match may end there; further away is not looked at. */
const isNear = (window: Buffer, end: number, to: number): boolean =>
  to >= end && to <= end + 4 * REACH && to <= window.length

/** Git's packets: four hexadecimal digits that count themselves too, and four more behind. */
function isPacket(window: Buffer, start: number, end: number): boolean {
  const digits = window.toString('latin1', Math.max(0, start - 4), start)
  const to = start - 4 + Number.parseInt(digits, 16)
  return (
    HEX.test(digits) &&
    isNear(window, end, to) &&
    (to === window.length || HEX.test(window.toString('latin1', to, to + 4)))
  )
}

const HEX = /^[\da-f]{4}$/

/** A letter or digit that is the count of all bytes up to the end of the file, none of them a newline. */
function isCountedByByte(window: Buffer, start: number, end: number): boolean {
  if (!/\w/.test(window.toString('latin1', Math.max(0, start - 1), start))) return false
  const to = start + (window[start - 1] ?? 0)
  return isNear(window, end, to) && to === window.length && !window.subarray(end).includes(NEWLINE)
}

/** What may stand behind a counted string whose count ends in this way. */
function isEnd(separator: string, next: string): boolean {
  if (separator === ':"') return next.startsWith('"')
  if (separator === ':') return next === '' || /^[,;)\]}~#!^\deild]/.test(next)
  if (separator === 'H') return /^[,)/\s]/.test(next)
  return next === '' || /^\s/.test(next)
}

/**
 * Counts of netstrings, bencode and S-expressions (`7:`), PHP (`7:"`), Boost (`7 `) and Fortran (`7H`). Those that end the line
 * before: Subversion (`V 7`), git's fast-import (`data 7`), memcached (`set key 0 0 7`). Those on lines of their own: R,
 * Redis (`$7`), IMAP (`{7}`), HTTP (hexadecimal).
 */
const COUNT = /(?<!\d)(\d{1,7})(:"?|H| )|(?<=[ \t])(\d{1,7})\r?\n|(?:^|[\n$]|\{)([\da-f]{1,7})\}?\r?\n/g

const NEWLINE = 0x0a
const BLANK = 0x20
const SLASH = 0x2f
const isQuote = (unit: number): boolean => unit === 0x22 || unit === 0x27 || unit === 0x60

/** Control characters that `file` does not find in texts. */
const CONTROL = new Uint8Array(256).fill(1, 0, 0x20)
for (const byte of Buffer.from('\x07\b\t\n\v\f\r\x1b')) CONTROL[byte] = 0
CONTROL[0x7f] = 1

/** Where the bytes before `start` begin that are no control characters. */
function afterControl(data: Buffer, from: number, start: number): number {
  let at = start
  while (at > from && data[at - 1]! >= BLANK) at--
  return at
}

/** Whether control characters stand there that no text has. */
export function hasControl(data: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (CONTROL[data[at]!]) return true
  return false
}
