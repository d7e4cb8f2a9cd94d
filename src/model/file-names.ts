import { shortHash } from './digest.ts'

/** The most bytes that a file's name can have. */
export const LONGEST_NAME = 255

/** Whether a path is not valid UTF-8. Node puts U+FFFD in the place of such bytes, so the path that it has leads elsewhere. */
export const isMisread = (path: string): boolean => path.includes('\uFFFD')

/** As many whole characters as fit into this many bytes. */
export function cutName(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  return Buffer.from(name)
    .subarray(0, bytes)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
}

/** Of the lock beside an archive with this name: `.NAME.lock`. A name that is too long for that is cut, and told apart by its hash. */
export function lockNameOf(archive: string): string {
  const plain = `.${archive}.lock`
  if (Buffer.byteLength(plain) <= LONGEST_NAME) return plain
  return `.${cutName(archive, 200)}-${shortHash(archive)}.lock`
}

/** What `--retire` leaves of an environment. It is no cache: nothing replaces it or takes it for an archive to be renewed. */
export const retiredArchiveOf = (prefix: string): string => `${prefix}.retired.tar.zst`
