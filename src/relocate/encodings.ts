import type { Encoding } from '../model/relocation.ts'

/** Spells a prefix in each encoding. */
export const encodings: Record<Encoding, (prefix: string) => Buffer> = {
  utf8: (prefix) => Buffer.from(prefix, 'utf8'),
  'json-slash': (prefix) => Buffer.from(JSON.stringify(prefix).slice(1, -1).replaceAll('/', '\\/'), 'utf8'),
  'json-ascii': (prefix) => Buffer.from(jsonAscii(prefix), 'latin1'),
  percent: (prefix) => Buffer.from(percent(prefix), 'latin1'),
  utf16le: (prefix) => Buffer.from(prefix, 'utf16le'),
  utf16be: (prefix) => Buffer.from(prefix, 'utf16le').swap16(),
  utf32le: (prefix) => utf32le(prefix),
  utf32be: (prefix) => utf32le(prefix).swap32(),
}

/** Bytes per code unit. */
export const unitWidth: Record<Encoding, 1 | 2 | 4> = {
  utf8: 1,
  'json-slash': 1,
  'json-ascii': 1,
  percent: 1,
  utf16le: 2,
  utf16be: 2,
  utf32le: 4,
  utf32be: 4,
}

/** A prefix in one spelling. */
export interface Needle {
  bytes: Buffer
  /** Index of the prefix in the given list. */
  prefix: number
  encoding: Encoding
}

/** All spellings of all prefixes. If several are the same bytes, only the first is kept: plain ASCII is utf8. */
export function needlesOf(prefixes: readonly string[]): Needle[] {
  const needles = new Map<string, Needle>()
  for (const [prefix, text] of prefixes.entries()) {
    for (const encoding of Object.keys(encodings) as Encoding[]) {
      const bytes = encodings[encoding](text)
      const key = bytes.toString('latin1')
      if (!needles.has(key)) needles.set(key, { bytes, prefix, encoding })
    }
  }
  return [...needles.values()]
}

/** Spells text as Python's json.dumps does: in ASCII only, with DEL escaped. */
function jsonAscii(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Spells a path as Python's urllib.parse.quote does. */
function percent(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^A-Za-z0-9_.~/-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

function utf32le(text: string): Buffer {
  const characters = [...text]
  const bytes = Buffer.alloc(4 * characters.length)
  characters.forEach((character, index) => {
    bytes.writeUInt32LE(character.codePointAt(0)!, 4 * index)
  })
  return bytes
}
