import type { BytePath } from './byte-path.ts'

interface Common {
  path: BytePath
  /** Permission bits, 0 to 0o7777. */
  mode: number
  /** Nanoseconds since 1970, as lstat gives them. */
  mtimeNs: bigint
}

export interface DirectoryEntry extends Common {
  type: 'directory'
}

export interface FileEntry extends Common {
  type: 'file'
  /** Bytes. */
  size: number
  /** Conda package that the file belongs to (`name-version-build`), if its record lists it. */
  package?: string
  /** How conda's record says that the prefix got into the file. */
  placeholder?: { text: string; mode: 'text' | 'binary' }
}

export interface SymlinkEntry extends Common {
  type: 'symlink'
  target: BytePath
}

/** A second name of a file that stands earlier in the list. */
export interface HardlinkEntry extends Common {
  type: 'hardlink'
  target: BytePath
}

/** One thing in an environment. A list of them is sorted by path, so that a folder comes before what is in it. */
export type Entry = DirectoryEntry | FileEntry | SymlinkEntry | HardlinkEntry

/** Entries that are members of another name in the archive, and that name. Copies have them under their own. */
export type RenamedMembers = ReadonlyMap<BytePath, BytePath>
