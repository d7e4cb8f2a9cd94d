import type { ArchivedFile, ArchiveIndex } from '../model/archive-index.ts'
import type { Listed } from '../model/listed.ts'
import type { Room } from '../platform/room.ts'

const BLOCK = 4096
/** File systems need some room beside the blocks. */
const ALLOWANCE = 1.03
const RECORD = { bytes: 1024 * 1024, inodes: 8 }

/**
 * The room that a copy of the archive's tree takes up on a disk with blocks of 4 KiB.
 * @param isShared whether a file is one of another copy, which takes up no room of its own
 */
export function roomFor(
  { entries }: Pick<ArchiveIndex, 'entries'>,
  isShared: (file: ArchivedFile) => boolean = () => false,
): Room {
  let [blocks, inodes] = [0, 0]
  for (const entry of entries) {
    if (entry.type === 'hardlink' || (entry.type === 'file' && isShared(entry))) continue
    inodes++
    blocks += entry.type === 'file' ? Math.ceil(entry.size / BLOCK) : 1
  }
  return { bytes: Math.ceil(blocks * BLOCK * ALLOWANCE) + RECORD.bytes, inodes: inodes + RECORD.inodes }
}

/** The room that a stage takes up which is one file. */
export const roomForFile = (size: number): Room => ({
  bytes: Math.ceil(blocksOf(size) * ALLOWANCE) + RECORD.bytes,
  inodes: 1 + RECORD.inodes,
})

/** The least room that a copy of these files takes up. Sizes are known only for files in conda's records. */
export function leastRoom(listed: readonly Listed[]): Room {
  let blocks = 0
  for (const entry of listed) blocks += Math.ceil((entry.type === 'file' ? (entry.recordedSize ?? 1) : 1) / BLOCK)
  return { bytes: blocks * BLOCK + RECORD.bytes, inodes: listed.length + RECORD.inodes }
}

/** The bytes that a file takes up on disk. */
export const blocksOf = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK
