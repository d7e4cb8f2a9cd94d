import { type Mount, mountOf, parseMountInfo, readMountInfo } from '../platform/mounts.ts'

const TOKEN = /\/(conda-stage_[A-Za-z0-9]+)\/[^/]+$/

/**
 * Whether what stands at this path is one of our copies, which only this process and those that it comes from see there. A folder
 * of the file system is named by the mount, and an image by its server.
 * @param real with symbolic links resolved
 */
export function isInPlace(real: string, mounts: readonly Mount[] = parseMountInfo(readMountInfo())): boolean {
  const mount = mountOf(real, mounts)
  if (mount === undefined || mount.mountPoint !== real) return false
  return TOKEN.test(mount.root) || (mount.root === '/' && /^conda-stage_[A-Za-z0-9]+$/.test(mount.source))
}
