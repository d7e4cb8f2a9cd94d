import type { BytePath } from './byte-path.ts'
import type { DirectoryEntry, FileEntry, HardlinkEntry, SymlinkEntry } from './entry.ts'
import type { Relocation, Siblings } from './relocation.ts'

/** Raised when an older program could no longer read what we write. */
export const FORMAT_VERSION = 1

/** Those that a copy is extracted from. */
export const UNPACKED_FORMATS = ['tar.zst', 'tar.gz', 'tar', 'zip'] as const
export const ARCHIVE_FORMATS = [...UNPACKED_FORMATS, 'sqfs'] as const
/** How an archive is put together. It is also the end of the archive's name. An image (`sqfs`) is mounted, the others are unpacked. */
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number]

/** A file, the place of its bytes in the archive, their digest, and the places of the prefix in them. */
export interface ArchivedFile extends FileEntry {
  /**
   * Index into `frames`: the frame in which the content begins. A large file continues in the next frames. In an image it says
   * nothing: there a content is found by its path.
   */
  frame: number
  /** Offset of the content's first byte in that frame's uncompressed bytes. In the next frames it continues at 0. */
  frameOffset: number
  /** First 16 bytes of the content's SHA-256, in hex. */
  digest: string
  relocation?: Relocation
}

export type ArchivedEntry = DirectoryEntry | ArchivedFile | SymlinkEntry | HardlinkEntry

/**
 * A piece of the archive that can be read by itself: a zstd frame, a gzip member, a part of a tar, all or part of a file in a zip.
 * Those of an image are pieces of its bytes, whatever these mean.
 */
export interface Frame {
  /** Byte offset in the archive file. */
  offset: number
  compressedSize: number
  size: number
  /** CRC-32 of the uncompressed bytes, in formats whose frames carry none: tar, zip and sqfs. */
  checksum?: number
  /** CRC-32 of the stored bytes, in formats whose compressed frames a repack may copy: tar.zst and tar.gz. */
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
  /** The original prefix as it was given (logical) and, if that differs, with symbolic links resolved (real). */
  prefixes: string[]
  /** The evidence by which the prefixes were found; absent if there was none. */
  siblings?: Siblings
  /** ISO 8601. */
  created: string
  /**
   * Present if the archive holds all of the environment, neither filtered nor rewritten. Then its contents can go into the next
   * archive. `level` is the level at which its frames were compressed.
   */
  whole?: { level: number }
  /** Present in an image that is to be mounted in the open: its files are relocated, while the entries say what the original has. */
  relocated?: Relocated
  /** Sorted by path; the first is the prefix itself (path ''). */
  entries: ArchivedEntry[]
  frames: Frame[]
}

export interface Relocated {
  /** Where the image is to be mounted. */
  prefix: string
  /** The program that its scripts call. */
  launcher: string
  /** What could not be relocated, for people. */
  warnings: string[]
  /** Of the files that were relocated at another length, by path: the first 16 bytes of the SHA-256, in hex. */
  digests: Record<BytePath, string>
}

/** What lstat says of a watched path; of a hard link, what it says of the file. */
export interface WatchedEntry {
  path: BytePath
  type: 'directory' | 'file' | 'symlink'
  mode: number
  /** Bytes. The size of a symlink is the length of its target. The size of a directory is 0 here, because it says nothing. */
  size: number
  mtimeNs: bigint
}

/** The part of the index that the quick check needs. One read gets it, without the entries. */
export interface ArchiveHead extends Omit<ArchiveIndex, 'entries' | 'frames'> {
  totals: { entries: number; files: number; bytes: number; frames: number }
  /** The watched folders, what stands directly in them, and the spot checks, sorted by path. */
  watched: WatchedEntry[]
  /** Files that the quick check looks at one by one, see `chooseSpotChecks`. */
  spotChecks: BytePath[]
}
