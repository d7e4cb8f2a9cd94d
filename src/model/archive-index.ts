import type { BytePath } from './byte-path.ts'
import type { DirectoryEntry, FileEntry, HardlinkEntry, SymlinkEntry } from './entry.ts'
import type { Relocation, Siblings } from './relocation.ts'

/** Raised when an older program could no longer read what we write. */
export const FORMAT_VERSION = 1

/** How an archive is put together; also the end of its name. */
export type ArchiveFormat = 'tar.zst' | 'tar.gz' | 'tar' | 'zip'

/** Where a file's bytes are, what they are, and where the prefix stands in them. */
export interface ArchivedFile extends FileEntry {
  /** Index into `frames` of the frame in which the content begins; a large file goes on in the frames after it. */
  frame: number
  /** Offset of the content's first byte in that frame's uncompressed bytes (what goes on starts at 0). */
  frameOffset: number
  /** First 16 bytes of the content's SHA-256, in hex. */
  digest: string
  relocation?: Relocation
}

export type ArchivedEntry = DirectoryEntry | ArchivedFile | SymlinkEntry | HardlinkEntry

/** One piece of the archive that can be read by itself: a zstd frame, a gzip member, a stretch of a tar, (part of) a zip's file. */
export interface Frame {
  /** Byte offset in the archive file. */
  offset: number
  compressedSize: number
  size: number
  /** CRC-32 of the uncompressed bytes, in formats that have none at each frame: tar and zip. */
  checksum?: number
  /** CRC-32 of the frame as it stands in the file, in formats whose frames a repack may copy as they are: tar.zst and tar.gz. */
  storedChecksum?: number
}

export interface ArchiveIndex {
  version: number
  format: ArchiveFormat
  /** Program and version that wrote it, for people. */
  generator: string
  platform: string
  /** Base name of the environment. */
  name: string
  /** Original prefix as it was given (logical) and, where it differs, with symbolic links resolved (real). */
  prefixes: string[]
  /** The evidence by which the prefixes were found; absent if there was none. */
  siblings?: Siblings
  /** ISO 8601. */
  created: string
  /**
   * There where it holds all of the environment as it stands there, not filtered or rewritten: then its contents can go
   * into the next archive. With the level at which its frames were compressed.
   */
  whole?: { level: number }
  /** Sorted by path; the first is the prefix itself (path ''). */
  entries: ArchivedEntry[]
  frames: Frame[]
}

/** What lstat tells of one watched thing; of a hard link, what it tells of the file. */
export interface WatchedEntry {
  path: BytePath
  type: 'directory' | 'file' | 'symlink'
  mode: number
  /** Bytes; a symlink's is the length of its target, a directory's is 0 here, since it says nothing. */
  size: number
  mtimeNs: bigint
}

/** The part of the index that the quick freshness check needs; read without the entries, in one go. */
export interface ArchiveHead extends Omit<ArchiveIndex, 'entries' | 'frames'> {
  totals: { entries: number; files: number; bytes: number; frames: number }
  /** The watched folders and what stands directly in them, sorted by path. */
  watched: WatchedEntry[]
}

const WATCHED_FOLDERS =
  /^(|conda-meta|bin|lib|etc|share|etc\/conda(\/(activate\.d|deactivate\.d|env_vars\.d))?|lib\/python[^/]*\/site-packages|lib\/R\/library|lib\/node_modules)$/

/** Whether the quick check looks at this folder itself and at what stands directly in it. */
export const isWatchedFolder = (path: BytePath): boolean => WATCHED_FOLDERS.test(path)
