import { lstat, rmdir } from '../platform/remote-fs.ts'
import { lockOf } from './lock.ts'
import { lookAtLock, removeLock } from './lock-folder.ts'
import { removeLeftovers } from './temporary.ts'

/**
 * Removes what a packer on this node left that was killed, although the archive is there: it was packing the archive again, or
 * had just put it in place. Who packs next does so, too, but nobody may need to. If nothing is left, this is one look-up.
 */
export async function removeLeftoversOfDead(path: string): Promise<void> {
  const lock = lockOf(path)
  try {
    await lstat(lock)
    const seen = await lookAtLock(lock)
    // If its packer is about to write who it is, it makes another one.
    if (seen?.isNobodys) return await rmdir(lock)
    if (!seen?.isDead) return
    await removeLeftovers(path)
    await removeLock(lock, seen)
  } catch {
    // There is nothing, or the next one will remove it.
  }
}
