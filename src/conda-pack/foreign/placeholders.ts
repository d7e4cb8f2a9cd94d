import { type BytePath, bytePathOf } from '../../model/byte-path.ts'
import type { FileEntry } from '../../model/entry.ts'

/** The placeholder that conda-pack's `bin/conda-unpack` would replace, by file. */
export type Placeholders = Map<BytePath, NonNullable<FileEntry['placeholder']>>

/** A tuple of three Python string literals, as repr() writes them. */
const RECORD =
  /\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*,\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*,\s*'(text|binary)'\s*\)/g

/**
 * Reads the list from the script that conda-pack put into an archive, without running it. Undefined if the script is not
 * conda-pack's.
 */
export function readPlaceholders(script: string): Placeholders | undefined {
  const list = /^_prefix_records = \[\n(.*?)^\]$/ms.exec(script)?.[1]
  if (list === undefined) return undefined
  const found: Placeholders = new Map()
  for (const [, path, text, mode] of list.matchAll(RECORD))
    found.set(bytesOfLiteral(path!), { text: textOfLiteral(text!), mode: mode as 'text' | 'binary' })
  const lines = list.split('\n').filter((line) => line.trim() !== '').length
  return found.size === lines ? found : undefined
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
      if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16))
      return { n: '\n', t: '\t', r: '\r' }[simple!] ?? simple!
    })
}
