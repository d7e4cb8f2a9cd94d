import type { BytePath } from './byte-path.ts'
import type { DirectoryEntry, FileEntry } from './entry.ts'

/** A name in the environment of which only its type is known yet: one listing of its folder has told it. */
export interface ListedName extends Pick<FileEntry, 'package' | 'placeholder'> {
  type: 'file' | 'symlink'
  path: BytePath
  /** Bytes that conda's record says, before the prefix was put in: near the file's size. */
  recordedSize?: number
}

/** What a listing of all folders gives. Of a folder everything is known, since it has to be looked at to be listed. */
export type Listed = DirectoryEntry | ListedName
