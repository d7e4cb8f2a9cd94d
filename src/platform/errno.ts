import { constants } from 'node:os'

/**
 * The name of the errno with which a system call failed, such as ENOSPC. Undefined for any other error.
 *
 * libuv, and so Node, has no name for some of them, EDQUOT and ESTALE among them: their `code` is `UNKNOWN` or `Unknown system
 * error -122`. `errno` is right.
 */
export function errnoOf(error: unknown): string | undefined {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown }
  if (typeof code !== 'string') return undefined
  if (/^unknown/i.test(code) && typeof errno === 'number') return nameOf(-errno)
  // ERR_... and Z_... are Node's own and zlib's.
  return /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

/** Of Linux, on x64 and arm64 alike. Node's own list ends before these. */
const FURTHER: Readonly<Record<string, number>> = {
  ECOMM: 70,
  ESHUTDOWN: 108,
  EHOSTDOWN: 112,
  EUCLEAN: 117,
  EREMOTEIO: 121,
  ENOMEDIUM: 123,
  ENOKEY: 126,
  EKEYEXPIRED: 127,
  EKEYREVOKED: 128,
  EKEYREJECTED: 129,
  EOWNERDEAD: 130,
  ENOTRECOVERABLE: 131,
}

function nameOf(number: number): string {
  const known = { ...constants.errno, ...FURTHER }
  return Object.entries(known).find(([, value]) => value === number)?.[0] ?? `errno ${number}`
}

/** What an errno means, for people, as in `The archive can't be written: the file system is full`. */
export function meaningOf(errno: string): string {
  if (Object.hasOwn(PLAIN, errno)) return PLAIN[errno]!
  const found = Object.entries(SHARED).find(([, errnos]) => errnos.includes(errno))
  return found ? `${found[0]} (${errno})` : errno
}

const PLAIN: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the file system is full',
  EDQUOT: 'your quota is used up',
  ENOENT: 'it is gone',
  ENAMETOOLONG: 'its path is too long',
}

/** Several errnos mean the same; the message also has the errno, for whoever looks after the disk. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  'the disk or its server failed': ['EIO', 'EREMOTEIO', 'EUCLEAN', 'ENOTRECOVERABLE', 'EOWNERDEAD'],
  'the file server no longer knows it': ['ESTALE'],
  "the file server can't be reached": [
    ...['ENOTCONN', 'ESHUTDOWN', 'ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN'],
    ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'ECOMM'],
  ],
  'the file server no longer accepts your login': ['ENOKEY', 'EKEYEXPIRED', 'EKEYREVOKED', 'EKEYREJECTED'],
  'the device is gone': ['ENODEV', 'ENOMEDIUM'],
  'it is a socket, or its device is gone': ['ENXIO'],
  'it is in use': ['EBUSY', 'ETXTBSY'],
}

/** Names the file in the error of a call on an open one, which does not do that by itself. */
export function withPath(error: unknown, path: string): unknown {
  if (errnoOf(error) !== undefined)
    Object.assign(error as Error, { path: (error as NodeJS.ErrnoException).path ?? path })
  return error
}

/** Answers of the system that only a mistake in the program can bring about. */
export const isMistake = (errno: string): boolean => errno === 'EBADF' || errno === 'EFAULT'

/** Answers of the system that tell about the session's limits, and not about the path of the call. */
export const isOfLimits = (errno: string): boolean => ['EMFILE', 'ENFILE', 'ENOMEM'].includes(errno)
