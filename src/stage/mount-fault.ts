import { imagesMountedBelow } from '../platform/own-mounts.ts'
import { fateOf } from '../platform/process-identity.ts'
import { surroundings } from '../platform/surroundings.ts'
import { folderOf, type StageRecord } from './record.ts'

/**
 * What is wrong with the mount of a stage, in words; undefined if nothing is. Nobody looks into the mount itself: that would wait for
 * a server that is stopped.
 */
export function mountFault({ prefix, mount }: StageRecord): string | undefined {
  if (mount === undefined) return 'its record names no server'
  if (isServerDead({ mount })) return 'the program that serves it has ended'
  const isHere = imagesMountedBelow(folderOf(prefix) ?? prefix, surroundings().uid).includes(prefix)
  return isHere ? undefined : 'it is not mounted where this program runs'
}

/** Then nothing can be read from the mount any more (ENOTCONN). */
export const isServerDead = ({ mount }: Pick<StageRecord, 'mount'>): boolean =>
  mount !== undefined && fateOf(mount.server) === 'ended'
