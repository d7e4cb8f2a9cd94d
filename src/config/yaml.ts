import { isUtf8 } from 'node:buffer'
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'

/** What is wrong with a text. */
export interface TextMistake {
  /** From 1. */
  line: number
  message: string
}

export interface Parsed {
  document: Document.Parsed
  lineOf(offset: number): number
}

/** Of the mistakes of a file that is no YAML at all, the first ones tell everything. */
const MOST_MISTAKES = 10

/**
 * Parses YAML of up to 32 KiB, whatever is in it, in a second or so. Keys may be there twice: comparing each with all others
 * would take minutes, and so would a quote of its line for each mistake.
 */
export function parseYaml(bytes: Buffer): Parsed | { mistakes: TextMistake[] } {
  const text = bytes.toString('utf8')
  const unreadable = notText(bytes, text)
  if (unreadable) return { mistakes: [unreadable] }
  const lines = new LineCounter()
  const lineOf = (offset: number): number => Math.max(1, lines.linePos(offset).line)
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
    const found = [...document.errors, ...document.warnings].slice(0, MOST_MISTAKES)
    if (found.length === 0) return { document, lineOf }
    return { mistakes: found.map(({ message, pos }) => ({ line: lineOf(pos[0]), message: plain(message) })) }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { mistakes: [{ line: 1, message: TOO_DEEP }] }
  }
}

const TOO_DEEP = 'it is nested too deeply'

/** The parser itself catches the overflow of the stack, and speaks to programmers of several documents. */
function plain(message: string): string {
  if (/call stack/.test(message)) return TOO_DEEP
  return /multiple documents/.test(message) ? "a line '---' begins another document; there may be only one" : message
}

/**
 * A value, and what people are shown of it: a number or a word as they wrote it, anything else as JSON.
 * @returns undefined if the node refers to itself, or is nested too deeply
 */
export function toValue(node: Node, document: Document.Parsed): { value: unknown; shown: string } | undefined {
  try {
    const value: unknown = node.toJS(document)
    return { value, shown: isScalar(node) && node.source ? node.source : jsonOf(value) }
  } catch (error) {
    // yaml's own limit of references, JSON's answer to a circle, and the end of the stack.
    if (error instanceof ReferenceError || error instanceof TypeError || error instanceof RangeError) return undefined
    throw error
  }
}

/** JSON has no word for three numbers of YAML, which become `null`. */
const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_, each) =>
    typeof each === 'number' && !Number.isFinite(each) ? MARK + wordOf(each) : each,
  ).replace(/"\\u0000([^"]*)"/g, '$1')

const MARK = '\0'
const wordOf = (number: number): string => (Number.isNaN(number) ? '.nan' : number > 0 ? '.inf' : '-.inf')

/** The values of a map at the top; none if the text is anything else. */
export function valuesIn(bytes: Buffer): Readonly<Record<string, unknown>> {
  const parsed = parseYaml(bytes)
  if ('mistakes' in parsed || !isMap(parsed.document.contents)) return {}
  return (toValue(parsed.document.contents, parsed.document)?.value ?? {}) as Record<string, unknown>
}

/** What YAML does not allow, except the byte order mark. */
const FORBIDDEN = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\u{10ffff}]/u

function notText(bytes: Buffer, text: string): TextMistake | undefined {
  if (!isUtf8(bytes)) {
    const lines = bytes.toString('latin1').split('\n')
    const at = lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1')))
    return { line: at + 1, message: 'it is not UTF-8' }
  }
  const found = FORBIDDEN.exec(text)
  if (!found) return undefined
  const code = found[0].codePointAt(0)!.toString(16).padStart(2, '0')
  return { line: text.slice(0, found.index).split('\n').length, message: `it holds the control character 0x${code}` }
}
