import type { BytePath } from '../model/byte-path.ts'
import type { ContentKind } from '../model/relocation.ts'
import { isNeverRemade } from './pyc.ts'

/** Bytes at the beginning of a file that hold the signature of every format below. */
const MAGIC_LENGTH = 512

/** What is known of a file besides its first bytes. */
export interface Signs {
  /** Whether any of its bytes is NUL. */
  hasNul: boolean
  /** Whether all occurrences in it are UTF-16 or UTF-32, as they are in such a text. */
  wide: boolean
  /** Whether conda's record calls it a text, so that conda itself has replaced the prefix as in a text. */
  recordedText?: boolean | undefined
  /** Whether it looks like data although no byte of it is NUL. */
  isData?: boolean
}

/**
 * Determines the kind of a file.
 *
 * @param head its first 512 bytes or more; all of a shorter file
 */
export function kindOf(head: Buffer, path: BytePath, { hasNul, wide, recordedText, isData }: Signs): ContentKind {
  const magic = head.toString('latin1', 0, MAGIC_LENGTH)
  if (containers.some(([signature, offset = 0]) => magic.startsWith(signature, offset))) return 'container'
  if (isElf(head)) return 'elf'
  if (isPyc(head, path)) return isNeverRemade(head, path) ? 'pyc-only' : 'pyc'
  if (recordedText) return 'text'
  if (hasNul) return wide && hasWideMark(magic) ? 'text' : 'binary'
  return (isData && !isScript(head)) || OFFSETS.test(magic) ? 'binary' : 'text'
}

export const isElf = (head: Buffer): boolean => head.toString('latin1', 0, 4) === '\x7fELF'

/** A .pyc begins with two bytes of version and '\r\n'. */
export const isPyc = (head: Buffer, path: BytePath): boolean =>
  /\.py[co]$/.test(path) && head.toString('latin1', 2, 4) === '\r\n'

/** Whether programs read the content of a container as it is stored. Installers read the rest. */
export const isReadable = (head: Buffer, path: BytePath): boolean =>
  ['PK', 'SQLite', '\x89HDF'].some((start) => head.toString('latin1', 0, start.length) === start) &&
  !/\.(?:whl|conda)$/.test(path)

/** Whether a header as in HTTP and mail counts all bytes behind it. */
export function hasLengthHeader(head: Buffer, size: number): boolean {
  if (!head.includes('ontent-')) return false
  const header = /^[\s\S]*?\r?\n\r?\n/.exec(head.toString('latin1'))?.[0] ?? ''
  const length = /^content-length: *(\d+)\r?$/im.exec(header)?.[1]
  return length !== undefined && header.length + Number(length) === size
}

/** Where a container begins behind the lines of a script. Undefined if there is none in `head`. */
export function payloadOf(head: Buffer): number | undefined {
  if (!isScript(head) || !head.includes(0)) return undefined
  const starts = PAYLOADS.map(([signature, offset = 0]) => head.indexOf(signature, 0, 'latin1') - offset)
  const found = starts.filter((start) => start > 0)
  return found.length === 0 ? undefined : Math.min(...found)
}

export const isScript = (head: Buffer): boolean => head.toString('latin1', 0, 2) === '#!'

/** Whether the file begins with the byte order mark of UTF-16 or UTF-32, whose text is full of NULs. */
const hasWideMark = (magic: string): boolean => /^(\xff\xfe|\xfe\xff|\0\0\xfe\xff)/.test(magic)

/** Texts that hold byte offsets into themselves or sizes of their parts: PDF, compiled Emacs Lisp, ar. */
const OFFSETS = /^(?:%PDF-|;ELC|!<arch>\n)/

/** Signatures of containers that installers and single-file programs carry behind their script; none is a word. */
const PAYLOADS: [signature: string, offset?: number][] = [
  ['PK\x03\x04'],
  ['\x1f\x8b\x08'],
  ['\xfd7zXZ\0'],
  ['BZh91AY&SY'],
  ['\x28\xb5\x2f\xfd'],
  ['\x5d\0\0\x80'], // lzma
  ['7z\xbc\xaf\x27\x1c'],
  ['LZIP\x01'],
  ['ustar\0', 257],
  ['ustar  \0', 257],
  ['SQLite format 3\0'],
]

/** Formats with compression or checksums: one changed byte breaks the file. */
const containers: [signature: string, offset?: number][] = [
  ['PK\x03\x04'], // zip, jar, whl, npz
  ['PK\x05\x06'],
  ['\x1f\x8b'], // gzip
  ['\x1f\x9d'], // compress
  ['\x28\xb5\x2f\xfd'], // zstd
  ['\xfd7zXZ\0'],
  ['LZIP\x01'],
  ['BZh'],
  ['\x04\x22\x4d\x18'], // lz4
  ['7z\xbc\xaf\x27\x1c'],
  ['Rar!\x1a\x07'],
  ['MSCF'],
  ['ustar', 257],
  ['SQLite format 3\0'],
  ['PACK\0\0\0'], // git
  ['\xfftOc'], // git pack index
  ['DIRC\0\0\0'], // git index
  ['\x89HDF\r\n\x1a\n'],
  ['\x89PNG\r\n\x1a\n'],
  ['PAR1'], // parquet
  ['ARROW1'],
  ['hsqs'], // squashfs
  ['\xed\xab\xee\xdb'], // rpm
]
