import { StageError } from '../errors.ts'
import { type Calls, IN_POOL } from './prompt-calls.ts'

/** The room that a copy takes up, or that a disk still has. */
export interface Room {
  bytes: number
  /** Files, folders and links; Infinity if the file system has no fixed number of them. */
  inodes: number
}

/** What an ordinary user may still write below `folder`. A quota does not show here: it does when something is written. */
export async function availableRoom(
  folder: string,
  calls: Pick<Calls, 'statfs'> = IN_POOL,
): Promise<Room & { type: bigint }> {
  const { bavail, bsize, files, ffree, type } = await calls.statfs(folder, { bigint: true })
  return { bytes: Number(bavail * bsize), inodes: files === 0n ? Number.POSITIVE_INFINITY : Number(ffree), type }
}

/** Why `available` is not enough; undefined if it is enough. */
export function shortage(
  needed: Room,
  available: Room,
): { code: 'NO_SPACE' | 'NO_INODES'; reason: string } | undefined {
  if (available.bytes < needed.bytes)
    return {
      code: 'NO_SPACE',
      reason: `has too little room: ${megabytes(needed.bytes)} needed, ${megabytes(available.bytes)} available`,
    }
  if (available.inodes < needed.inodes)
    return {
      code: 'NO_INODES',
      reason: `has too few free inodes: ${needed.inodes} inodes needed, ${available.inodes} available (${megabytes(needed.bytes)} needed, ${megabytes(available.bytes)} available)`,
    }
  return undefined
}

export const ROOM_HINT = 'Free some room there, or name another local folder with --path or CONDA_STAGE_PATH.'

/** A write failed with EFBIG. @param what the file that `would be` larger than allowed */
export function tooLarge(what: string, path: string, cause: unknown): StageError {
  return new StageError('LIMIT_TOO_LOW', `${what} larger than the limit of file sizes allows (ulimit -f)`, {
    path,
    hint: 'Raise the limit, or work without a copy',
    cause,
  })
}

/** Rounded up to 0.1 MB. */
const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e5) / 10} MB`
