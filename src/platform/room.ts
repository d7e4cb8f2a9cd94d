import { statfs } from 'node:fs/promises'
import { StageError } from '../errors.ts'

/** What a copy takes up on disk, or what a disk still has. */
export interface Room {
  bytes: number
  /** Files, folders and links; Infinity where the file system has no fixed number of them. */
  inodes: number
}

/** What an ordinary user may still write below `folder`. A quota is not seen here: `asRoomError` meets it later. */
export async function availableRoom(folder: string): Promise<Room & { type: bigint }> {
  const { bavail, bsize, files, ffree, type } = await statfs(folder, { bigint: true })
  return { bytes: Number(bavail * bsize), inodes: files === 0n ? Number.POSITIVE_INFINITY : Number(ffree), type }
}

/** Why `available` is not enough, or undefined where it is. */
export function shortage(
  needed: Room,
  available: Room,
): { code: 'NO_SPACE' | 'NO_INODES'; reason: string } | undefined {
  if (available.bytes < needed.bytes)
    return {
      code: 'NO_SPACE',
      reason: `has no room: ${megabytes(needed.bytes)} needed, ${megabytes(available.bytes)} available`,
    }
  if (available.inodes < needed.inodes)
    return {
      code: 'NO_INODES',
      reason: `has no room for so many files: ${needed.inodes} inodes needed, ${available.inodes} available (${megabytes(needed.bytes)} needed, ${megabytes(available.bytes)} available)`,
    }
  return undefined
}

export const ROOM_HINT = 'Free some room there, or name another local folder with --path or CONDA_STAGE_PATH.'

/** The failure of a write for want of room or quota as a StageError; anything else comes back as it is. */
export function asRoomError(error: unknown, folder: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  const reason = code === 'ENOSPC' ? 'ran full while writing' : 'has no quota left for you'
  return new StageError('NO_SPACE', `${folder} ${reason}`, { path: folder, hint: ROOM_HINT, cause: error })
}

/** Needed is rounded up and available never is negative, so that the two numbers never look the same. */
const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e5) / 10} MB`
