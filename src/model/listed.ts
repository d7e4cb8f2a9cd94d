import type { BytePath } from './byte-path.ts'
import type { DirectoryEntry, FileEntry } from './entry.ts'

/** A name from the listing of its folder: so far only its type is known. */
export interface ListedName extends Pick<FileEntry, 'package' | 'placeholder'> {
  type: 'file' | 'symlink'
  path: BytePath
  /** The file's size by conda's record, in bytes. That was before the prefix was put in, so the real size is near it. */
  recordedSize?: number
}

/** What a listing of all folders gives. A folder comes with its facts, which were looked at before it was listed. */
export type Listed = DirectoryEntry | ListedName
