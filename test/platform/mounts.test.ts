import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNetwork, isNetworkMagic, mountOf, mountsBelow, parseMountInfo } from '../../src/platform/mounts.ts'

const TABLE = parseMountInfo(
  [
    '20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro',
    '21 20 0:30 / /home rw,relatime shared:2 master:7 - nfs4 server:/home rw,vers=4.2',
    '22 20 0:31 / /scratch rw,noexec - xfs /dev/nvme0n1 rw,inode64',
    '23 22 0:32 / /scratch/shared rw - lustre mds:/fs rw',
    '24 20 0:33 / /with\\040space\\134and\\011tab rw - tmpfs tmpfs rw,size=1k',
    '25 20 0:34 / /tmp rw - tmpfs first rw',
    '26 25 0:35 / /tmp rw - btrfs second rw',
    '27 20 0:36 / /covered/inner rw - nfs server:/inner rw',
    '28 20 0:37 / /covered rw - tmpfs over rw',
    'a line of some future kernel',
    '',
  ].join('\n'),
)

test('the file system of a path is that of the mount that really holds it', () => {
  const cases: [path: string, mountPoint: string, fsType: string][] = [
    ['/', '/', 'ext4'],
    ['/usr/lib', '/', 'ext4'],
    ['/home', '/home', 'nfs4'],
    ['/home/me/envs', '/home', 'nfs4'],
    ['/homework', '/', 'ext4'],
    ['/scratch/me', '/scratch', 'xfs'],
    ['/scratch/shared/me', '/scratch/shared', 'lustre'],
    ['/with space\\and\ttab/x', '/with space\\and\ttab', 'tmpfs'],
    ['/tmp/x', '/tmp', 'btrfs'],
    ['/covered/inner/x', '/covered', 'tmpfs'],
  ]
  for (const [path, mountPoint, fsType] of cases) {
    const mount = mountOf(path, TABLE)
    assert.deepEqual([mount?.mountPoint, mount?.fsType], [mountPoint, fsType], path)
  }
})

test('the options of a mount are those of the mount point and of the file system', () => {
  assert.deepEqual(mountOf('/scratch/me', TABLE)?.options, ['rw', 'noexec', 'rw', 'inode64'])
})

test('mounts are found even if the table has no root, as in some chroots', () => {
  const table = parseMountInfo('30 7 0:1 / /data rw - xfs /dev/sdb rw')
  assert.equal(mountOf('/data/x', table)?.fsType, 'xfs')
  assert.equal(mountOf('/other', table), undefined)
  assert.equal(mountOf('/other', []), undefined)
})

test('mounts inside a folder are found, without the folder itself and its neighbours', () => {
  assert.deepEqual(mountsBelow('/scratch', TABLE), ['/scratch/shared'])
  assert.deepEqual(mountsBelow('/scratch/shared', TABLE), [])
  assert.deepEqual(mountsBelow('/hom', TABLE), [])
})

test('network file systems are distinguished from local ones', () => {
  const network = `nfs nfs4 lustre beegfs beegfs_nodev gpfs cifs smb3 smbfs ceph fuse.ceph glusterfs fuse.glusterfs
    fuse.sshfs afs orangefs pvfs2 panfs wekafs fuse.rclone fuse.s3fs fuse autofs`
  const local = `ext4 xfs btrfs zfs tmpfs overlay f2fs ramfs fuseblk fuse.squashfuse fuse.fuse-overlayfs fuse.ntfs-3g`
  for (const type of network.split(/\s+/)) assert.equal(isNetwork(type), true, type)
  for (const type of local.split(/\s+/)) assert.equal(isNetwork(type), false, type)
})

test('without mountinfo NFS is distinguished from ext4 and tmpfs by the number of the file system', () => {
  assert.equal(isNetworkMagic(0x6969n), true)
  assert.equal(isNetworkMagic(0xef53n), false)
  assert.equal(isNetworkMagic(0x01021994n), false)
  // The kernel's field is signed: CIFS is negative on some builds.
  assert.equal(isNetworkMagic(-0xacb2ben), true)
})
