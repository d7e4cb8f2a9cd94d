import { randomFillSync } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { monotonicMs } from './clock.ts'
import { errnoOf } from './errno.ts'
import { open, unlink } from './remote-fs.ts'

/** 10^6 bytes a second. */
export interface DiskSpeed {
  /** Until all is on the disk (fdatasync). */
  write: number
  /** Past the memory in which the kernel keeps files (O_DIRECT), if the file system has that. */
  read: number
  /** The file system reads from memory only, as tmpfs does. */
  isMemory: boolean
}

const FIRST_PIECE = 4 << 20
const LARGEST_PIECE = 32 << 20
const MOST_BYTES = 64 << 20
/** Milliseconds, for writing and for reading. What has begun then is finished. */
const ENOUGH_MS = 400

/**
 * Writes a file of at most 64 MB, and reads it. It has no name while that goes on, so nothing is left, whatever happens.
 * @throws what the disk says: no room within a quota, for instance
 */
export async function speedOfDisk(folder: string): Promise<DiskSpeed> {
  const name = `${folder}/.conda-stage-speed-${Math.random().toString(36).slice(2)}`
  const file = await open(name, 'wx', 0o600)
  try {
    await unlink(name)
    // Only buffers that may grow begin at a page of memory, as O_DIRECT needs it. The bytes are such as no disk can make smaller.
    const bytes = Buffer.from(new ArrayBuffer(LARGEST_PIECE, { maxByteLength: LARGEST_PIECE }))
    for (let at = 0; at < bytes.length; at += RANDOM_AT_ONCE) randomFillSync(bytes, at, RANDOM_AT_ONCE)
    const { written, ms } = await write(file, bytes)
    return { write: rate(written, ms), ...(await read(file.fd, bytes, written)) }
  } finally {
    await file.close()
  }
}

const RANDOM_AT_ONCE = 1 << 20

/** A few large pieces, each twice as large as the one before: a slow disk ends after the first. */
async function write(file: FileHandle, bytes: Buffer): Promise<{ written: number; ms: number }> {
  const started = monotonicMs()
  let written = 0
  for (let piece = FIRST_PIECE; written + piece <= MOST_BYTES; piece = Math.min(2 * piece, bytes.length)) {
    await file.write(bytes, 0, piece, written)
    await file.datasync()
    written += piece
    if (monotonicMs() - started > ENOUGH_MS) break
  }
  return { written, ms: monotonicMs() - started }
}

async function read(fd: number, bytes: Buffer, size: number): Promise<Pick<DiskSpeed, 'read' | 'isMemory'>> {
  const past = await openAgain(fd, constants.O_DIRECT)
  const file = past ?? (await openAgain(fd, 0))!
  try {
    const started = monotonicMs()
    let at = 0
    while (at < size && monotonicMs() - started < ENOUGH_MS)
      at += (await file.read(bytes, 0, Math.min(FIRST_PIECE, size - at), at)).bytesRead
    return { read: rate(at, monotonicMs() - started), isMemory: past === undefined }
  } finally {
    await file.close()
  }
}

/** The file has no name any more. */
async function openAgain(fd: number, flag: number): Promise<FileHandle | undefined> {
  try {
    return await open(`/proc/self/fd/${fd}`, constants.O_RDONLY | flag)
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined
    throw error
  }
}

const rate = (bytes: number, ms: number): number => bytes / 1000 / Math.max(ms, 0.001)
