import { type BigIntStats, constants, fstatSync, openSync } from 'node:fs'
import { megabytes } from '../model/amounts.ts'
import { closeReadSync } from './close.ts'
import { errnoOf, isMistake, meaningOf } from './errno.ts'
import { closeFile, openFile, READ_ONLY, readFrom, readFromSync, statFile } from './fd.ts'
import { isGone } from './unreadable.ts'
import { type Awaited, awaitedPath } from './waiting.ts'

/** Why a file was not read: the message goes on behind the file's name, as in `NAME is a FIFO`. */
export class NotRead extends Error {
  readonly kind: 'missing' | 'folder' | 'special' | 'large' | 'failed'

  constructor(kind: NotRead['kind'], message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

/** How many bytes files may have together. Each that is read takes its part. */
export interface Allowance {
  bytes: number
}

/**
 * Reads a file that others write and that we know by its name only, so that anything may stand there. What is no regular file is
 * not read and not waited for, and no more than `most` bytes are held. /dev/null counts as empty.
 * @param most bytes
 * @throws NotRead
 */
export async function readSmall(path: string | Buffer, most: number, together?: Allowance): Promise<Buffer> {
  return await withRegular(path, async (file, size) => {
    if (size > most) throw tooLarge(most)
    if (together && size > together.bytes) throw new NotRead('large', 'is too large, beside the others of its kind')
    if (together) together.bytes -= size
    return await wholeOf(file, size, most)
  })
}

/**
 * Such a file of ours, on local disk. It is read at once, which takes a fifth of the time, and even when the process is to end:
 * whoever takes a lease or a turn for none because nobody waited for its file would take a copy from somebody.
 */
export async function readLocal(path: string, most: number): Promise<Buffer> {
  let fd: number | undefined
  try {
    fd = openSync(path, READ_ONLY)
    const size = sizeOf(fstatSync(fd, { bigint: true }))
    if (size > most) throw tooLarge(most)
    const content = Buffer.allocUnsafe(size)
    let filled = 0
    for (let read = -1; filled < size && read !== 0; filled += read) read = readFromSync(fd, content, filled, filled)
    return content.subarray(0, filled)
  } catch (error) {
    throw asNotRead(error)
  } finally {
    if (fd !== undefined) closeReadSync(fd)
  }
}

/** The first bytes of such a file, at most `bytes` of them. A link is not followed. */
export const readHead = (path: string | Buffer, bytes: number): Promise<Buffer> =>
  withRegular(path, (file) => fill(file, bytes), { flags: READ_ONLY | constants.O_NOFOLLOW })

/** An open file. */
interface File extends Awaited {
  fd: number
}

async function withRegular<T>(
  path: string | Buffer,
  body: (file: File, size: number) => Promise<T>,
  { flags = READ_ONLY }: { flags?: number } = {},
): Promise<T> {
  let file: File | undefined
  try {
    file = { fd: await openFile(path, flags), path: () => awaitedPath(path) }
    return await body(file, sizeOf(await statFile(file.fd, file)))
  } catch (error) {
    throw asNotRead(error)
  } finally {
    if (file !== undefined) await closeFile(file.fd, file)
  }
}

function asNotRead(error: unknown): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || isMistake(errno)) return error
  if (isGone(error)) return new NotRead('missing', 'does not exist', error)
  return new NotRead('failed', `can't be read: ${meaningOf(errno)}`, error)
}

const NULL_DEVICE = 0x103n

function sizeOf(stats: BigIntStats): number {
  if (stats.isFile()) return Number(stats.size)
  if (stats.isCharacterDevice() && stats.rdev === NULL_DEVICE) return 0
  if (stats.isDirectory()) throw new NotRead('folder', 'is a folder')
  throw new NotRead('special', stats.isFIFO() ? 'is a FIFO' : 'is a device')
}

async function wholeOf(file: File, size: number, most: number): Promise<Buffer> {
  if (size > most) throw tooLarge(most)
  // Some file systems give no sizes: /proc, and FUSE if it is badly written.
  const content = await fill(file, size === 0 ? most + 1 : size)
  if (content.length > most) throw tooLarge(most)
  return content
}

const PIECE = 256 * 1024

/** What comes next in the file, at most so many bytes. */
async function fill(file: File, most: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let left = most; left > 0; left -= pieces.at(-1)!.length) {
    const piece = Buffer.allocUnsafe(Math.min(left, PIECE))
    const read = await readFrom(file.fd, piece, 0, null, file)
    if (read === 0) break
    pieces.push(piece.subarray(0, read))
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}

function tooLarge(most: number): NotRead {
  const size = most < 1e6 ? `${Math.round(most / 1000)} kB` : megabytes(most)
  return new NotRead('large', `is larger than ${size}`)
}
