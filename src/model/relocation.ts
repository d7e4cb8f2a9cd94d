/**
 * The kind of file that holds the prefix. It decides what may be done when the prefix changes its length.
 * - text: the prefix is replaced, and the rest moves. The kernel reads only 127 bytes of a script's first line.
 * - elf, binary: C strings. They change only within the room behind them or within their slot of an ELF string table.
 * - pyc: counted strings. They change only at the same length. Leaving them does no harm: import corrects co_filename.
 * - container: zip, jar, gz, zst, sqlite, ...: checksummed or compressed, and never edited.
 */
export type ContentKind = 'text' | 'elf' | 'binary' | 'pyc' | 'container'

/** How a file spells the prefix. Each spelling is a pure function from the prefix to bytes. */
export type Encoding = 'utf8' | 'utf16le' | 'utf16be' | 'utf32le' | 'utf32be' | 'json-slash' | 'json-ascii' | 'percent'

/** One place in a file that holds the prefix. */
export interface Occurrence {
  /** Byte offset in the original file. */
  offset: number
  /** Which of the index's source prefixes (0 logical, 1 real). */
  prefix: number
  encoding: Encoding
  /** In elf and binary files, for spellings of one byte per character: offset of the NUL that ends this C string. */
  end?: number
  /**
   * In elf and binary files: how many bytes the C string may grow. Present only if the NULs behind the string prove
   * that conda put the prefix in place of a placeholder; then the string may shrink, too. It is 0 if the prefix is as
   * long as the placeholder.
   */
  room?: number
}

/** A string of an ELF file's dynamic section that holds the prefix: DT_RPATH, DT_RUNPATH, or a path in DT_NEEDED. */
export interface DynamicString {
  /** Byte offset in the file. */
  offset: number
  /** The string's bytes (latin1), without the NUL. */
  text: string
  /** True for a ':'-joined list (RPATH, RUNPATH), false for one path (NEEDED). */
  list: boolean
  /** Offset in the file of the first other dynamic string that begins inside this one. No byte from there on may change. */
  shared?: number
}

/** All places in one file that hold the prefix, in order of offset and without overlaps. */
export interface Relocation {
  kind: ContentKind
  occurrences: Occurrence[]
  /**
   * Of a text whose head holds the prefix: length in bytes of the head that starts the interpreter, without the
   * final line end. The head is a `#!` line, or the two lines of a `#!/bin/sh` and `'''exec'` polyglot.
   */
  head?: number
  /** Of an ELF file: what the dynamic loader reads. */
  dynamic?: DynamicString[]
}
