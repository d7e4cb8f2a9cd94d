import type { Frame } from '../../model/archive-index.ts'
import type { Entry, FileEntry } from '../../model/entry.ts'
import type { Facts, PackedFrame } from '../../model/item.ts'

/** Frames of an older archive, stored one behind another; or members of one such frame, to be compressed anew. */
export type TakenOver = { stored: Buffer; frames: readonly Frame[] } | { content: Buffer }

/** Writes the members of an archive, in the order in which they come. */
export interface MemberWriter {
  readonly frames: readonly Frame[]
  /**
   * Begins a file; its content is appended next. Gives the place where the content will begin.
   * @param options.beside true for a file that is neither in the index nor in any stage
   */
  beginFile(entry: FileEntry, options: { beside: boolean }): Promise<{ frame: number; offset: number }>
  append(data: Buffer): Promise<void>
  endFile(facts: Facts): Promise<void>
  /** Adds an entry that has no content of its own. */
  add(entry: Exclude<Entry, FileEntry>): Promise<void>
  /** Ends the members. Gives the offset behind them, where the index goes. */
  finish(): Promise<number>
  /** The bytes that go behind an index of this size that begins at `indexOffset`. */
  closing(indexOffset: number, indexSize: number): Buffer
  /** Resolves when nothing works on the file any more, even after a failure. */
  settle(): Promise<void>
}

/** Writes the members of a tar. Its frames hold nothing but members, so that whole frames can be put in. */
export interface TarWriter extends MemberWriter {
  /** Puts in frames of another archive, or members of one. */
  takeOver(frames: TakenOver): Promise<void>
  /** Puts in a frame that is compressed already, and gives its number. */
  addPacked(frame: PackedFrame): Promise<number>
  /** No more files of the environment come. */
  endFiles(): Promise<void>
}
