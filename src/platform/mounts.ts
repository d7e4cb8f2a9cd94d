import { readFileSync } from 'node:fs'

/** One line of /proc/self/mountinfo; proc_pid_mountinfo(5) describes the fields. */
export interface Mount {
  id: number
  parent: number
  /** The folder of the file system that is mounted. */
  root: string
  mountPoint: string
  fsType: string
  /** Whatever the file system calls itself: often a device, for FUSE what its server says. */
  source: string
  /** Options of the mount point and of the file system together: `noexec`, `ro`, ... */
  options: string[]
}

/** The text for the functions below; '' without /proc. */
export function readMountInfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return ''
  }
}

export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    // The number of optional fields before the lone '-' varies.
    const [before, after] = line.split(' - ', 2)
    const fields = before?.split(' ') ?? []
    const [fsType, source = '', superOptions] = after?.split(' ') ?? []
    const [id, parent, , root = '', mountPoint, mountOptions] = fields
    if (mountPoint === undefined || fsType === undefined) continue
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      root: unescapeField(root),
      mountPoint: unescapeField(mountPoint),
      fsType,
      source: unescapeField(source),
      options: `${mountOptions},${superOptions ?? ''}`.split(',').filter(Boolean),
    })
  }
  return mounts
}

/**
 * The mount that holds `path` (absolute, without symbolic links). It is found as the kernel does it: from the root down, each
 * time into the mount that covers the place. So a later mount over the same folder wins, and a mount that is hidden below
 * another one is not seen.
 */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const known = new Set(mounts.map((mount) => mount.id))
  let candidates = mounts.filter((mount) => !known.has(mount.parent) || mount.parent === mount.id)
  let current: Mount | undefined
  for (;;) {
    const covering = candidates.filter((mount) => mount !== current && isWithin(path, mount.mountPoint))
    if (covering.length === 0) return current
    const nearest = Math.min(...covering.map((mount) => mount.mountPoint.length))
    const next = covering.findLast((mount) => mount.mountPoint.length === nearest)!
    current = next
    candidates = mounts.filter((mount) => mount.parent === next.id && mount.id !== next.id)
  }
}

/** Mount points strictly below `folder`. A removal must not enter them. */
export function mountsBelow(folder: string, mounts: readonly Mount[]): string[] {
  return mounts.map((mount) => mount.mountPoint).filter((point) => point !== folder && isWithin(point, folder))
}

function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`)
}

/** mountinfo writes space, tab, newline and backslash as \040 and so on. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** File systems that look names up over a network. autofs stands for whatever it has not mounted yet. */
const NETWORK = new Set(
  `9p afs autofs beegfs beegfs_nodev ceph cifs coda cvfs davfs gfs2 glusterfs gpfs kafs lustre mmfs ncpfs nfs nfs4 ocfs2
   orangefs panfs pvfs2 quobyte smb2 smb3 smbfs wekafs xtreemfs`.split(/\s+/),
)

/** FUSE file systems over a local disk or image. Any other fuse.* is taken for a network file system. */
const LOCAL_FUSE = new Set(
  `fuse-overlayfs fuse2fs fuse-ext2 squashfuse squashfuse_ll ntfs ntfs-3g exfat ext2 ext4 apfs dwarfs bindfs mergerfs
   unionfs lxcfs encfs gocryptfs cryfs`.split(/\s+/),
)

/** Whether a type of file system, as mountinfo names it, is reached over a network. */
export function isNetwork(fsType: string): boolean {
  if (NETWORK.has(fsType)) return true
  if (fsType === 'fuse') return true // The bare type says nothing, and only a mistaken "local" does harm.
  return fsType.startsWith('fuse.') && !LOCAL_FUSE.has(fsType.slice('fuse.'.length))
}

/**
 * Whether calls on a folder or on what is in it may wait for a server, which may not answer. Of a file system in a program of the
 * user's (FUSE), nobody knows what that waits for.
 * @param real with symbolic links resolved
 */
export function mayHang(real: string, mounts: readonly Mount[] = parseMountInfo(readMountInfo())): boolean {
  const own = mountOf(real, mounts)
  if (own === undefined) return true
  return [own, ...mounts.filter(({ mountPoint }) => isWithin(mountPoint, real))].some(
    ({ fsType }) => isNetwork(fsType) || fsType.startsWith('fuse'),
  )
}

/** statfs(2) f_type of network file systems, in case mountinfo can't be read. */
const NETWORK_MAGIC = new Set([
  0x6969n, // nfs
  0x517bn, // smb
  0xff534d42n, // cifs
  0xfe534d42n, // smb2
  0x0bd00bd0n, // lustre
  0x47504653n, // gpfs
  0x19830326n, // beegfs
  0x00c36400n, // ceph
  0x5346414fn, // openafs
  0x6b414653n, // kafs
  0x73757245n, // coda
  0x20030528n, // orangefs, pvfs2
  0xaad7aaean, // panfs
  0x01021997n, // 9p
  0x0187n, // autofs
])

export const isNetworkMagic = (type: bigint): boolean => NETWORK_MAGIC.has(type & 0xffffffffn)
