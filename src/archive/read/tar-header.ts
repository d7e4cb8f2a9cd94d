import type { BytePath } from '../../model/byte-path.ts'
import { Malformed } from './malformed.ts'

export const BLOCK = 512

/** A header block as it stands in the tar. */
export interface TarHeader {
  /** Prefix and name, joined. */
  name: BytePath
  mode: number
  size: number
  /** Whole seconds since 1970. */
  seconds: number
  /** The type's letter. */
  type: string
  link: BytePath
}

export const isZeroBlock = (block: Buffer): boolean => block.every((byte) => byte === 0)

/** Whether the block has the mark of a header: POSIX's or GNU's. Older ones have none, and nobody writes them any more. */
export const isTarHeader = (block: Buffer): boolean => {
  const mark = block.toString('latin1', 257, 265)
  return mark === POSIX || mark === GNU
}

const POSIX = 'ustar\x0000'
const GNU = 'ustar  \0'

/** @throws Malformed for whatever no program writes on purpose */
export function decodeTarHeader(block: Buffer): TarHeader {
  if (!isTarHeader(block)) throw new Malformed('there is no header where one should be')
  const name = textAt(block, 0, 100)
  const prefix = block.toString('latin1', 257, 265) === POSIX ? textAt(block, 345, 155) : ''
  const path = prefix === '' ? name : `${prefix}/${name}`
  const number = (at: number, length: number): number => {
    const found = numberAt(block, at, length)
    if (found === undefined) throw new Malformed('has a header with a malformed number', path)
    return found
  }
  if (number(148, 8) !== sumOf(block)) throw new Malformed('has a header with a wrong checksum', path)
  const size = number(124, 12)
  if (size < 0) throw new Malformed(`has a size of ${size} bytes`, path)
  return {
    name: path,
    mode: number(100, 8) & 0o7777,
    size,
    seconds: number(136, 12),
    type: String.fromCharCode(block[156]!),
    link: textAt(block, 157, 100),
  }
}

/** Up to the first NUL, or all of the field. */
function textAt(block: Buffer, at: number, length: number): BytePath {
  const text = block.toString('latin1', at, at + length)
  const nul = text.indexOf('\0')
  return nul === -1 ? text : text.slice(0, nul)
}

/** Octal digits, or GNU's binary numbers, which may be negative. Undefined if it is neither, or beyond what a double holds. */
function numberAt(block: Buffer, at: number, length: number): number | undefined {
  const field = block.subarray(at, at + length)
  if (field[0]! < 0x80) {
    const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1]
    return digits === undefined ? undefined : digits === '' ? 0 : Number.parseInt(digits, 8)
  }
  const bits = BigInt.asIntN(8 * length - 1, BigInt(`0x${field.toString('hex')}`))
  const number = Number(bits)
  return Number.isSafeInteger(number) ? number : undefined
}

/** The bytes of the checksum itself count as blanks. */
function sumOf(block: Buffer): number {
  let sum = 8 * 32
  for (const [at, byte] of block.entries()) if (at < 148 || at >= 156) sum += byte
  return sum
}

/** The records of a pax extended header by keyword, values as bytes. @throws Malformed */
export function decodePax(records: Buffer): Map<string, BytePath> {
  const found = new Map<string, BytePath>()
  for (let at = 0; at < records.length; ) {
    const blank = records.subarray(at, at + 12).indexOf(' ')
    const digits = records.toString('latin1', at, at + Math.max(0, blank))
    const end = /^[1-9]\d*$/.test(digits) ? at + Number(digits) : Number.NaN
    const equals = records.indexOf('=', at)
    if (!(end <= records.length) || !(equals > at + blank && equals < end) || records[end - 1] !== 0x0a)
      throw new Malformed('it has a malformed pax header')
    const keyword = records.toString('latin1', at + blank + 1, equals)
    if (found.has(keyword)) throw new Malformed(`it has a pax header with two values for ${keyword.slice(0, 100)}`)
    found.set(keyword, records.toString('latin1', equals + 1, end - 1))
    at = end
  }
  return found
}
