/**
 * The kind of file that holds the prefix. It decides what may be done when the prefix changes its length.
 * - text: the prefix is replaced, and the rest moves. The kernel reads only 127 bytes of a script's first line.
 * - elf, binary: C strings. They change only within the room behind them or within their slot of an ELF string table.
 *   Data with counted strings is binary, too, even if none of its bytes is NUL.
 * - pyc: byte code beside its source. It changes only at the same length. Leaving it does no harm: import corrects
 *   co_filename, and Python compiles it anew when the source has another size.
 * - pyc-only: byte code that Python never compiles anew, because it has no source or is not compared with it. Its
 *   counted strings are written anew, with their counts.
 * - container: zip, jar, gz, zst, sqlite, ...: checksummed or compressed, and never edited.
 */
export type ContentKind = 'text' | 'elf' | 'binary' | 'pyc' | 'pyc-only' | 'container'

/** Spellings that replace single characters; src/relocate/encodings.ts has their tables. */
export type Escaping =
  | 'shell-word'
  | 'zsh-word'
  | 'make-shell-word'
  | 'json-shell-word'
  | 'shell-quoted'
  | 'shell-single'
  | 'shell-single-double'
  | 'single-backslash'
  | 'make'
  | 'dollars'
  | 'ninja'
  | 'xml'
  | 'xml-attribute'
  | 'xml-quotes'
  | 'html'
  | 'json-html'
  | 'octal'
  | 'hex'
  | 'uri'
  | 'regex'
  | 'regex-slash'
  | 're-escape'
  | 'quotemeta'
  | 'perl-quoted'
  | 'doubled-quote'
  | 'doubled-percent'

/** How a file spells the prefix. Each spelling is a pure function from the prefix to bytes. */
export type Encoding =
  | 'utf8'
  | 'utf16le'
  | 'utf16be'
  | 'utf32le'
  | 'utf32be'
  | 'json-slash'
  | 'json-ascii'
  | 'percent'
  | Escaping

/**
 * Evidence for other paths that begin like a prefix. For each prefix, the names in its parent folder that begin with
 * the prefix's own name, without that name: '2' for `/a/env2` beside `/a/env`. Null if the folder can't be listed.
 */
export type Siblings = readonly (readonly string[] | null)[]

/** One place in a file that holds the prefix. */
export interface Occurrence {
  /** Byte offset in the original file. */
  offset: number
  /** Which of the index's source prefixes (0 logical, 1 real). */
  prefix: number
  encoding: Encoding
  /**
   * In elf and binary files, for spellings of one byte per character: offset of the NUL that ends this C string. In
   * pyc-only files: end of the counted string.
   */
  end?: number
  /**
   * In elf and binary files: how many bytes the C string may grow. Present only if the NULs behind the string prove
   * that conda put the prefix in place of a placeholder; then the string may shrink, too. It is 0 if the prefix is as
   * long as the placeholder.
   */
  room?: number
  /** In pyc-only files: offset of the counted string's first byte, its type. */
  counted?: number
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

/** A relative path in a text that leads out of the environment: it means another place when the file lies elsewhere. */
export interface Outward {
  /** Byte offset in the file. */
  offset: number
  /** Bytes. */
  length: number
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
  /** `.pth` and `.egg-link` files only, in order of offset. None overlaps an occurrence, since those are absolute. */
  outward?: Outward[]
  /** Of an ELF file: what the dynamic loader reads. */
  dynamic?: DynamicString[]
  /** Number of further places in a container behind the text or program that the file begins with. They stay. */
  sealed?: number
  /** Of a text with a container behind it that something in the text may locate by bytes: no length may change. */
  fixed?: true
  /** Of a container: programs read its content as it is stored, so that a prefix in it may lead to the original. */
  readable?: true
}
