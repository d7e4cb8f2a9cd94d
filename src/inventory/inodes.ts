import type { FileFacts } from './open-file.ts'

/**
 * Which of the names of each inode has the content in the archive: the first in the archive's order. Files are known by
 * their numbers in that order.
 */
export class Inodes {
  readonly #owners = new Map<string, number>()

  /**
   * Claims the file's inode. The lower number keeps it, or takes it over if its file was opened later.
   * @returns false if a lower number has it, so that this file is a further name
   */
  claim({ inode }: FileFacts, number: number): boolean {
    if (inode === undefined) return true
    const owner = this.#owners.get(inode)
    if (owner !== undefined && owner < number) return false
    this.#owners.set(inode, number)
    return true
  }

  /** The file that has the content of this inode. */
  ownerOf({ inode }: FileFacts): number | undefined {
    return inode === undefined ? undefined : this.#owners.get(inode)
  }
}
