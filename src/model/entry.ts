import type { BytePath } from './byte-path.ts'

interface Common {
  path: BytePath
  /** Permission bits, 0 to 0o7777. */
  mode: number
  /** Nanoseconds since 1970, as from lstat. */
  mtimeNs: bigint
}

export interface DirectoryEntry extends Common {
  type: 'directory'
}

export interface FileEntry extends Common {
  type: 'file'
  /** Bytes. */
  size: number
  /** The conda package (`name-version-build`) whose record lists the file. */
  package?: string
  /** How conda put the prefix into the file, by its record. */
  placeholder?: { text: string; mode: 'text' | 'binary' }
}

export interface SymlinkEntry extends Common {
  type: 'symlink'
  target: BytePath
}

/** A further name of a file that comes earlier in the list. */
export interface HardlinkEntry extends Common {
  type: 'hardlink'
  target: BytePath
}

/** One thing in an environment. A list of entries is sorted by path, so a folder comes before what is in it. */
export type Entry = DirectoryEntry | FileEntry | SymlinkEntry | HardlinkEntry

/** Entries that are members of another name in the archive, and that name. Copies have them under their own. */
export type RenamedMembers = ReadonlyMap<BytePath, BytePath>
