import type { Entry, FileEntry } from './entry.ts'
import type { Relocation } from './relocation.ts'

/** What reading a file's content has shown. */
export interface Facts {
  /** First 16 bytes of the content's SHA-256, in hex. */
  digest: string
  /** Where the prefix stands in it, if anywhere. */
  relocation?: Relocation
}

/** A file's bytes: whole if the file is small, else in pieces, in order. Each is valid until the next item or piece is asked for. */
export interface Content {
  chunks: Buffer | AsyncIterable<Buffer>
  /** Throws until `chunks` has been consumed to its end. */
  facts(): Facts
}

/** One thing to put into an archive. Only a file has `content`, of `entry.size` bytes. */
export interface ArchiveItem {
  entry: Entry
  content?: Content
}

/** A frame of whole files that another thread has read, scanned and compressed: see `packedItems`. */
export interface PackedFrame {
  /** The bytes that go into the archive. */
  stored: Buffer
  /** CRC-32 of `stored`. */
  storedChecksum: number
  /** Uncompressed bytes. */
  size: number
  /** `frameOffset`: where the content begins in the uncompressed bytes. */
  files: (FileEntry & Facts & { frameOffset: number })[]
  /** The uncompressed bytes, in shared memory, if a `TakeFrame` wants them. */
  content?: Buffer
  /** To be called when `stored` is written and `content` is no longer used: their memory is used again. */
  release(): void
}

/** Looks for the prefix in a file's bytes: chunks of any size, in order. */
export interface Scanner {
  push(chunk: Buffer): void
  finish(): Relocation | undefined
}

/** A stretch of a file's content in one frame. */
export interface FramePiece {
  file: FileEntry
  /** Where the piece begins in the file, and in the frame's uncompressed bytes. */
  contentOffset: number
  frameOffset: number
  /** Bytes of the file that are in this frame. */
  length: number
  /** Where the prefix stands in the file. Not known yet if the file spans several frames. */
  relocation?: Relocation
}

/**
 * Takes the content of a frame that goes into an archive. It is in shared memory, must not be changed, and is valid until the
 * promise resolves. The promise is never rejected: whatever fails here must not stop the archive.
 */
export type TakeFrame = (content: Buffer, pieces: FramePiece[]) => Promise<void>
