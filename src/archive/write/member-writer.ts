import type { Frame } from '../../model/archive-index.ts'
import type { Entry, FileEntry, RenamedMembers } from '../../model/entry.ts'
import type { Facts, PackedFrame, TakeFrame } from '../../model/item.ts'
import type { Compress, Format } from '../codec.ts'
import type { ArchiveFile } from './file.ts'

/** Frames as they stand one behind another in an older archive; or the members of one that has to be compressed anew. */
export type TakenOver = { stored: Buffer; frames: readonly Frame[] } | { content: Buffer }

/** Takes the members of an archive in order, and writes them in the way of one kind of format. */
export interface MemberWriter {
  readonly frames: readonly Frame[]
  /** Whether folders have to come before what is in them (unzip passes over those that are there), else behind. */
  readonly foldersFirst: boolean
  /**
   * Begins a file, whose content is appended next. Gives the place at which the content will begin.
   * @param options.beside of a file that is not in the index, and in no stage
   */
  beginFile(entry: FileEntry, options: { beside: boolean }): Promise<{ frame: number; offset: number }>
  append(data: Buffer): Promise<void>
  endFile(facts: Facts): Promise<void>
  /** Puts in what begins or makes up frames of another archive. Not for a zip, whose headers stand between the frames. */
  takeOver(frames: TakenOver): Promise<void>
  /** Puts in a frame that is ready, and gives its number. Not for a zip either. */
  addPacked(frame: PackedFrame): Promise<number>
  /** No more files of the environment come. */
  endFiles(): Promise<void>
  /** What has no content of its own. */
  add(entry: Exclude<Entry, FileEntry>): Promise<void>
  /** Ends the members, and gives the offset behind them: where the index goes. */
  finish(): Promise<number>
  /** What goes behind the index of so many bytes, which begins at `indexOffset`. */
  closing(indexOffset: number, indexSize: number): Buffer
  /** Resolves when nothing works on the file any more, after a failure too. */
  settle(): Promise<void>
}

export interface MemberOptions {
  handle: ArchiveFile
  /** For messages. */
  path: string
  format: Format
  level: number
  threads: number
  /** Folder of the archive in which the environment stands; '' for none. */
  root: string
  renamed?: RenamedMembers | undefined
  compress?: Compress | undefined
  takeFrame?: TakeFrame | undefined
}
