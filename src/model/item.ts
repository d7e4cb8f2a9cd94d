import type { Entry } from './entry.ts'
import type { Relocation } from './relocation.ts'

/** What became known about a file's content while its bytes went by. */
export interface Facts {
  /** First 16 bytes of the content's SHA-256, in hex. */
  digest: string
  /** Where the prefix stands in it, if it does. */
  relocation?: Relocation
}

/** A file's bytes: whole where it is small, else in order and in pieces. */
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

/** Looks at a file's bytes as they go by: chunks of any size, in order. */
export interface Scanner {
  push(chunk: Buffer): void
  finish(): Relocation | undefined
}
