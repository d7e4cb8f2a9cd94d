/** A number, with the text that it has in the file: JavaScript can't hold every number that Python can. */
class JsonNumber {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

type Reviver = (key: string, value: unknown, context: { source: string }) => unknown

/** Like Python's json.loads, but keeps the text of numbers for `pythonText`. */
export function parseForPython(text: string): unknown {
  const keepNumbers: Reviver = (_, value, { source }) => (typeof value === 'number' ? new JsonNumber(source) : value)
  const plain = text.replaceAll(STRING_OR_NO_JSON, (part) => NO_JSON[part] ?? part)
  return JSON.parse(plain, keepNumbers as (key: string, value: unknown) => unknown)
}

const NAN = '0e-999999'

/** Python reads and writes these too. In JSON, numbers that nobody writes stand for them. */
const NO_JSON: Record<string, string> = { NaN: ` ${NAN}`, Infinity: ' 1e999999', '-Infinity': ' -1e999999' }
const STRING_OR_NO_JSON = /"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g

/** What Python's `str()` makes of a value that was read from JSON. */
export const pythonText = (value: unknown): string => (typeof value === 'string' ? value : representation(value))

/** Python's `repr()`. */
function representation(value: unknown): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'string') return quoted(value)
  if (value instanceof JsonNumber) return /^-?\d+$/.test(value.source) ? integer(value.source) : float(value.source)
  if (Array.isArray(value)) return `[${value.map(representation).join(', ')}]`
  const entries = Object.entries(value as object).map(([key, item]) => `${quoted(key)}: ${representation(item)}`)
  return `{${entries.join(', ')}}`
}

const integer = (source: string): string => (source === '-0' ? '0' : source)

/** The shortest digits that give the same number, as in JavaScript. An exponent from 1e16 on and below 1e-4. */
function float(source: string): string {
  if (source === NAN) return 'nan'
  const value = Number(source)
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const [, sign = '', digits = '', power = '0'] = /^(-?)([\d.]+)e([+-]\d+)$/.exec(value.toExponential())!
  const minus = Object.is(value, -0) ? '-' : sign
  const exponent = Number(power)
  if (exponent < -4 || exponent >= 16)
    return `${minus}${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  return minus + String(Math.abs(value)).replace(/^\d+$/, '$&.0')
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replaceAll(/[\\'"]|[\p{C}\p{Z}]/gu, (char) => {
    if (char === quote || char === '\\') return `\\${char}`
    if (char === "'" || char === '"' || char === ' ') return char
    return NAMED[char] ?? byNumber(char.codePointAt(0)!)
  })
  return quote + escaped + quote
}

const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function byNumber(code: number): string {
  const [letter, length] = code < 0x100 ? ['x', 2] : code < 0x10000 ? ['u', 4] : ['U', 8]
  return `\\${letter}${code.toString(16).padStart(length as number, '0')}`
}
