import type { Entry, FileEntry } from './entry.ts'
import type { Relocation } from './relocation.ts'

/** What became known about a file's content while its bytes went by. */
export interface Facts {
  /** First 16 bytes of the content's SHA-256, in hex. */
  digest: string
  /** Where the prefix stands in it, if it does. */
  relocation?: Relocation
}

/** A file's bytes: whole where it is small, else in order and in pieces. Each is valid until the next item or piece is asked for. */
export interface Content {
  chunks: Buffer | AsyncIterable<Buffer>
  /** Valid once `chunks` was consumed to its end; throws before. */
  facts(): Facts
}

/** One thing to put into an archive; `content` is there for type 'file' only, `entry.size` bytes in all. */
export interface ArchiveItem {
  entry: Entry
  content?: Content
}

/** A frame of whole files that were read, looked through and compressed elsewhere, see `packInRuns`. */
export interface PackedFrame {
  /** As it goes into the archive; empty where there is no content, and the files are not in a frame. */
  stored: Buffer
  /** CRC-32 of that. */
  storedChecksum: number
  /** Uncompressed bytes. */
  size: number
  /** `frameOffset`: of the content in the uncompressed bytes. */
  files: (FileEntry & Facts & { frameOffset: number })[]
  /** The uncompressed bytes in shared memory, where they are for a `TakeFrame`, which is over when `release` is called. */
  content?: Buffer
  release(): void
}

/** Looks at a file's bytes as they go by: chunks of any size, in order. */
export interface Scanner {
  push(chunk: Buffer): void
  finish(): Relocation | undefined
}

/** A stretch of a file's content in one frame. */
export interface FramePiece {
  file: FileEntry
  /** Where the piece stands in the file, and in the frame's uncompressed bytes. */
  contentOffset: number
  frameOffset: number
  /** Bytes; the whole file, or what of it is in this frame. */
  length: number
  /** Where the prefix stands in the file. Not known yet where the file goes over several frames. */
  relocation?: Relocation
}

/**
 * Takes the content of each frame before it is compressed. It lies in shared memory, must not be changed, and is valid until
 * the promise resolves, which is never rejected.
 */
export type TakeFrame = (content: Buffer, pieces: FramePiece[]) => Promise<void>
