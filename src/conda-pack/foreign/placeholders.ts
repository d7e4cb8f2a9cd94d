import { LONGEST_PATH } from '../../archive/read/member.ts'
import { type BytePath, bytePathOf } from '../../model/byte-path.ts'
import type { FileEntry } from '../../model/entry.ts'

/** The placeholder that conda-pack's `bin/conda-unpack` would replace, by file. */
export type Placeholders = Map<BytePath, NonNullable<FileEntry['placeholder']>>

/** A tuple of three Python string literals, as repr() writes them. */
const RECORD =
  /\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*,\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*,\s*'(text|binary)'\s*\)/g

const BEGIN = '_prefix_records = [\n'
const END = '\n]\n'

/**
 * Reads the list from the script that conda-pack put into an archive, without running it. Undefined if the script is not
 * conda-pack's.
 */
export function readPlaceholders(script: string): Placeholders | undefined {
  const begin = script.indexOf(BEGIN)
  const isLine = begin === 0 || script[begin - 1] === '\n'
  if (begin === -1 || !isLine) return undefined
  // With an empty list, the line that ends it comes at once.
  const end = script.indexOf(END, begin + BEGIN.length - 1)
  if (end === -1) return undefined
  const list = script.slice(begin + BEGIN.length, end)
  const found: Placeholders = new Map()
  let records = 0
  for (const [, path, text, mode] of list.matchAll(RECORD)) {
    const placeholder = { text: textOfLiteral(text!), mode: mode as 'text' | 'binary' }
    // Replacing anything else than a path would make havoc of the files.
    if (!/^\/[^/\0][^\0]*$/.test(placeholder.text) || placeholder.text.length > LONGEST_PATH) return undefined
    found.set(bytesOfLiteral(path!), placeholder)
    records++
  }
  const lines = list.split('\n').filter((line) => line.trim() !== '').length
  return records === lines ? found : undefined
}

/** Python reads each byte of a name that is not UTF-8 as a lone surrogate, U+DC80 to U+DCFF. */
function bytesOfLiteral(literal: string): BytePath {
  return textOfLiteral(literal).replace(/[\udc80-\udcff]|[^\udc80-\udcff]+/g, (part) => {
    const code = part.charCodeAt(0)
    return code >= 0xdc80 && code <= 0xdcff ? String.fromCharCode(code - 0xdc00) : bytePathOf(part)
  })
}

function textOfLiteral(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|(.))/gi, (_, x, u, U, simple: string | undefined) => {
      const code = x ?? u ?? U
      if (code !== undefined) return character(Number.parseInt(code, 16))
      return { n: '\n', t: '\t', r: '\r' }[simple!] ?? simple!
    })
}

/** No literal of Python's has a character beyond Unicode. */
const character = (code: number): string => (code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code))
