import type { Encoding, Siblings } from '../model/relocation.ts'
import { encodings, type Needle, needlesOf, unitWidth } from './encodings.ts'

/** A needle, and the ends that make it the path of a sibling; undefined if nothing is known of siblings. */
interface KnownNeedle extends Needle {
  siblings: SiblingEnd[] | undefined
}

interface SiblingEnd {
  bytes: Buffer
  /** It begins like a new word (`/a/env old`), so that more evidence is needed. */
  isWord: boolean
}

/** A needle that was found in a window of data. What surrounds it is not yet known. */
export interface Match {
  needle: KnownNeedle
  /** Index of its first byte in the window. */
  start: number
}

/** Finds the spellings of the prefixes in one window of data. */
export type Search = (window: Buffer, from: number, hasNul: boolean) => Match[]

export interface Prepared {
  search: Search
  /** Bytes of the longest needle. */
  longest: number
}

/** By prefixes and siblings: all files of an environment are searched for the same ones, by the same evidence. */
const known = new Map<string, Prepared>()
let latest: (Prepared & { prefixes: readonly string[]; siblings: Siblings | undefined }) | undefined

export function preparedSearch(prefixes: readonly string[], siblings?: Siblings): Prepared {
  if (latest?.prefixes === prefixes && latest.siblings === siblings) return latest
  const key = JSON.stringify([prefixes, siblings])
  const prepared = known.get(key) ?? prepareSearch(prefixes, siblings)
  known.set(key, prepared)
  latest = { ...prepared, prefixes, siblings }
  return latest
}

/**
 * Prepares the search for all spellings of the prefixes. Two prefixes have 12 needles or more, but Buffer.indexOf makes
 * one pass per fragment, not per needle: most prefixes end alike, spellings differ only in signs, and a slash before a
 * NUL or behind a backslash is rare enough to stand for all needles that hold it. So 3 passes suffice, and data without
 * a NUL needs only 2.
 */
function prepareSearch(prefixes: readonly string[], siblings: Siblings | undefined): Prepared {
  const ends = siblings?.map((names) => names && endsByWidth(names))
  const needles = needlesOf(prefixes).map((needle) => ({
    ...needle,
    siblings: ends?.[needle.prefix]?.(needle.encoding),
  }))
  const passes = new Map<
    string,
    { fragment: Buffer; hasNul: boolean; needles: { needle: KnownNeedle; at: number }[] }
  >()
  for (const needle of needles) {
    const known = [...passes.values()].find(({ fragment }) => needle.bytes.includes(fragment))
    const fragment = known?.fragment ?? fragmentOf(needle, needles)
    const key = fragment.toString('latin1')
    const pass = passes.get(key) ?? { fragment, hasNul: fragment.includes(0), needles: [] }
    pass.needles.push({ needle, at: needle.bytes.indexOf(fragment) })
    passes.set(key, pass)
  }
  const search: Search = (window, from, hasNul) => {
    const matches: Match[] = []
    for (const pass of passes.values()) {
      if (pass.hasNul && !hasNul) continue
      for (let hit = window.indexOf(pass.fragment, from); hit !== -1; hit = window.indexOf(pass.fragment, hit + 1)) {
        for (const { needle, at } of pass.needles) {
          const start = hit - at
          if (start >= from && standsAt(window, needle.bytes, start)) matches.push({ needle, start })
        }
      }
    }
    // The leftmost first, and of these the longest.
    return matches.sort((a, b) => a.start - b.start || b.needle.bytes.length - a.needle.bytes.length)
  }
  return { search, longest: Math.max(...needles.map(({ bytes }) => bytes.length)) }
}

export function standsAt(window: Buffer, bytes: Buffer, start: number): boolean {
  const end = start + bytes.length
  return (
    start >= 0 &&
    end <= window.length &&
    window[end - 1] === bytes.at(-1) &&
    window.compare(bytes, 0, bytes.length, start, end) === 0
  )
}

/** The fragment that all spellings of a family share, else a piece of the end that the prefixes share, or of the needle. */
function fragmentOf(needle: Needle, all: readonly Needle[]): Buffer {
  const family = FAMILIES.find((fragment) => needle.bytes.includes(fragment))
  if (family) return family
  const ends = all
    .filter(({ encoding, prefix }) => encoding === needle.encoding && prefix !== needle.prefix)
    .map((other) => commonEnd(needle.bytes, other.bytes))
  return pieceOf(ends.find(({ length }) => length >= PIECE_LENGTH) ?? needle.bytes)
}

/** UTF-16 and UTF-32 in both byte orders hold the first; JSON with escaped slashes holds the second. */
const FAMILIES = [Buffer.from('/\0'), Buffer.from('\\/')]

/**
 * Node searches for up to 6 bytes with memchr (10 GB/s if the first is a slash, 6 if it is a letter), and for more
 * with Boyer-Moore (2 to 7 GB/s).
 */
const PIECE_LENGTH = 6

/**
 * The last piece that begins with a slash, because folders near the root have common names; else the last bytes.
 * Letters are preferred, because all spellings share them.
 */
function pieceOf(text: Buffer): Buffer {
  const plain = [...text.toString('latin1').matchAll(/\/[\w/]{5}/g)].at(-1)
  if (plain) return text.subarray(plain.index, plain.index + PIECE_LENGTH)
  const last = Math.max(0, text.length - PIECE_LENGTH)
  const slash = text.lastIndexOf('/', last)
  const start = slash === -1 ? last : slash
  return text.subarray(start, start + PIECE_LENGTH)
}

/** Spells the ends of siblings' names in each way that can follow a needle: once for all spellings of one byte per character. */
function endsByWidth(names: readonly string[]): (encoding: Encoding) => SiblingEnd[] {
  const narrow = names
    .flatMap((name) => needlesOf([name]).filter(({ encoding }) => unitWidth(encoding) === 1))
    .map(endOf)
  return (encoding) =>
    unitWidth(encoding) === 1 ? narrow : names.map((name) => endOf({ bytes: encodings[encoding](name) }))
}

function endOf({ bytes }: Pick<Needle, 'bytes'>): SiblingEnd {
  return { bytes, isWord: /^[ \t,;:&()'"]/.test(bytes.toString('latin1').replaceAll('\0', '')) }
}

function commonEnd(a: Buffer, b: Buffer): Buffer {
  let length = 0
  while (length < Math.min(a.length, b.length) && a.at(-1 - length) === b.at(-1 - length)) length++
  const end = a.subarray(a.length - length)
  return end.subarray(
    Math.max(
      0,
      end.findIndex((byte) => byte !== 0),
    ),
  )
}
