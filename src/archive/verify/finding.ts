import type { BytePath } from '../../model/byte-path.ts'

/** Something that is wrong with an archive. */
export interface ArchiveFinding {
  /** The entry; '' for the archive itself. */
  path: BytePath
  /**
   * - archive: its bytes, its index or its owner
   * - frame: a frame can't be decompressed, or has a wrong checksum
   * - content: a file has other bytes than were packed
   * - member: programs such as tar and unzip would unpack something else than the index says
   * - relocation: the places of the prefix in a file are not those that the index has
   */
  kind: 'archive' | 'frame' | 'content' | 'member' | 'relocation'
  why: string
  harmless: boolean
}

export type Report = (finding: Omit<ArchiveFinding, 'harmless'> & { harmless?: boolean }) => void
