/**
 * What kind of file it is that holds the prefix; it decides what may be done where the length changes.
 * - text: plain replacement, anything may move. The first line of a script is bound to the kernel's 127 bytes.
 * - elf, binary: C strings; only inside the room behind them, or inside their slot of an ELF string table.
 * - pyc: counted strings; only at the same length, else left alone (harmless: import mends co_filename).
 * - container: zip, jar, gz, zst, sqlite, ...: checksummed or compressed; never touched.
 */
export type ContentKind = 'text' | 'elf' | 'binary' | 'pyc' | 'container'

/** How the prefix is spelled in the file. Each is a pure function from the prefix to bytes. */
export type Encoding = 'utf8' | 'utf16le' | 'utf16be' | 'utf32le' | 'utf32be' | 'json-slash' | 'json-ascii' | 'percent'

/** One place in a file where the prefix stands. */
export interface Occurrence {
  /** Byte offset in the original file. */
  offset: number
  /** Which of the index's source prefixes (0 logical, 1 real). */
  prefix: number
  encoding: Encoding
  /** elf and binary, spellings of one byte a character: offset of the NUL that ends this C string. */
  end?: number
  /**
   * elf and binary: how many bytes the C string may grow. Present only where the NULs behind the string prove that a
   * placeholder stood here, so that the string may also shrink; 0 where the prefix is as long as the placeholder.
   */
  room?: number
}

/** A string of an ELF file's dynamic section that holds the prefix: DT_RPATH, DT_RUNPATH, or a DT_NEEDED that is a path. */
export interface DynamicString {
  /** Byte offset in the file. */
  offset: number
  /** The string's bytes (latin1), without the NUL. */
  text: string
  /** A ':'-joined list (RPATH, RUNPATH); else one path (NEEDED). */
  list: boolean
  /** Offset in the file of the first other dynamic string that begins inside this one: from there on no byte may change. */
  shared?: number
}

/** A relative path in a text that leads out of the environment: it means another place when the file lies elsewhere. */
export interface Outward {
  /** Byte offset in the file. */
  offset: number
  /** Bytes. */
  length: number
}

/** All places in one file, in order of offset, without overlaps. */
export interface Relocation {
  kind: ContentKind
  occurrences: Occurrence[]
  /**
   * Text only, and only if the prefix stands there: bytes of the file's head (line ends of its last line excluded)
   * that start the interpreter: a `#!` line, or the two lines of a `#!/bin/sh` and `'''exec'` polyglot.
   */
  head?: number
  /** `.pth` and `.egg-link` files only, in order of offset. None overlaps an occurrence, since those are absolute. */
  outward?: Outward[]
  /** ELF only: what the dynamic loader reads. */
  dynamic?: DynamicString[]
}
