import { execFile } from 'node:child_process'
import { mountsBelow, parseMountInfo, readMountInfo } from './mounts.ts'

/** What mountinfo calls an image that `squashfuse_ll` serves. */
const IMAGE_TYPE = 'fuse.squashfuse_ll'

/**
 * Mount points of the images that this user has mounted below a folder, the innermost first. Only the kernel's list is read: a
 * look at the mount itself would wait for its server, or fail when that is dead.
 * @param folder with symbolic links resolved
 */
export function imagesMountedBelow(folder: string, uid: number): string[] {
  const own = parseMountInfo(readMountInfo()).filter(
    ({ fsType, options }) => fsType === IMAGE_TYPE && options.includes(`user_id=${uid}`),
  )
  return mountsBelow(folder, own).reverse()
}

/**
 * Unmounts what this user has mounted, whether its server lives or not: by set-uid `fusermount3`, since umount is for root. If a
 * program still uses it, the mount goes now, and its server when the program ends (`-z`).
 * @returns why it is still mounted; undefined if it is not
 */
export async function unmountImage(mountPoint: string): Promise<string | undefined> {
  let why = ''
  for (const program of ['fusermount3', 'fusermount']) {
    for (const how of [['-u'], ['-u', '-z']]) {
      const failure = await failureOf(program, [...how, mountPoint])
      if (failure === undefined) return undefined
      why ||= failure
    }
  }
  return why
}

/** Not the program of an environment that is on PATH: that one is not set-uid. */
const PATH = '/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin'

function failureOf(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { env: { PATH, LC_ALL: 'C' }, cwd: '/' }, (error, _, said) => {
      resolve(error === null ? undefined : said.trim() || error.message)
    })
  })
}
