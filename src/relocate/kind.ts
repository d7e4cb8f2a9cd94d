import type { BytePath } from '../model/byte-path.ts'
import type { ContentKind } from '../model/relocation.ts'

/** Bytes at the beginning of a file that hold the signature of every format below. */
const MAGIC_LENGTH = 512

/**
 * Determines the kind of a file.
 *
 * @param head its first 512 bytes or more; all of a shorter file
 * @param hasNul whether any of its bytes is NUL
 * @param wide whether all occurrences in it are UTF-16 or UTF-32, as they are in such a text
 */
export function kindOf(
  head: Buffer,
  path: BytePath,
  { hasNul, wide }: { hasNul: boolean; wide: boolean },
): ContentKind {
  const magic = head.toString('latin1', 0, MAGIC_LENGTH)
  if (containers.some(([signature, offset = 0]) => magic.startsWith(signature, offset))) return 'container'
  if (magic.startsWith('\x7fELF')) return 'elf'
  // A .pyc begins with two bytes of version and '\r\n'.
  if (/\.py[co]$/.test(path) && magic.startsWith('\r\n', 2)) return 'pyc'
  return hasNul && !(wide && hasWideMark(magic)) ? 'binary' : 'text'
}

/** Whether the file begins with the byte order mark of UTF-16 or UTF-32, whose text is full of NULs. */
const hasWideMark = (magic: string): boolean => /^(\xff\xfe|\xfe\xff|\0\0\xfe\xff)/.test(magic)

/** Formats with compression or checksums: one changed byte breaks the file. */
const containers: [signature: string, offset?: number][] = [
  ['PK\x03\x04'], // zip, jar, whl, npz
  ['PK\x05\x06'],
  ['\x1f\x8b'], // gzip
  ['\x28\xb5\x2f\xfd'], // zstd
  ['\xfd7zXZ\0'],
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
