import { constants } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import * as v from 'valibot'
import { type ArchiveHead, type ArchiveIndex, FORMAT_VERSION, type Frame } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { errnoOf } from '../platform/errno.ts'
import { readFrom } from '../platform/fd.ts'
import { open } from '../platform/remote-fs.ts'
import { decompressSync, type Format, sectionFormat } from './codec.ts'
import { asReadFailure, damaged, foreign, otherVersion } from './failure.ts'
import { type Footer, hasOpening, isBzip2, OPENING, OPENING_ROOM, type SectionName, zipFooterEnd } from './format.ts'
import {
  containerHeader,
  containerSize,
  FOOTER_ROOM,
  footerAt,
  isStored,
  payloadSize,
  rangeInFile,
  sectionStart,
  sha256,
  unwrap,
} from './index/container.ts'
import { decodeEntries, decodeFrames } from './index/decode.ts'
import { Columns } from './index/encode.ts'
import { decodeHead, totalsOf } from './index/head.ts'
import { parseJson } from './index/parse-json.ts'
import { Malformed } from './read/malformed.ts'

/** Bytes of the file's end that are read at once. They hold footer and head of all but the largest archives. */
const TAIL_SIZE = 256 * 1024
/** The largest section that is unpacked: a forged size must not take all memory. */
const SECTION_LIMIT = 256 * 1024 * 1024

/** What is read of an open file, or of what stands for one. */
export interface Source {
  stat(): Promise<{ size: number; isFile(): boolean }>
  read(into: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
}

/**
 * Reads the part that the quick check needs: mostly with one open, one fstat and one read.
 * @param source the open file, if the caller has one and has checked its owner; it stays open
 * @throws StageError ARCHIVE_FOREIGN, ARCHIVE_VERSION, ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE; what opening it throws comes through
 */
export function readHead(path: string, source?: Source): Promise<ArchiveHead> {
  return withTail(path, source, (tail) => headOf(tail))
}

/** Where the frames end and the index begins. Errors: as readHead. */
export const indexOffset = (path: string, source: Source): Promise<number> =>
  withTail(path, source, async ({ footer }) => footer.indexOffset)

/** Tells archives of different contents from one another: the digests of the index's sections, in one. Errors: as readHead. */
export function readIdentity(path: string, source?: Source): Promise<string> {
  return withTail(path, source, async ({ footer: { sections } }) => {
    const digests = Object.values(sections).map((section) => section.sha256)
    return sha256(Buffer.from(digests.join())).slice(0, 32)
  })
}

/** Reads the whole index. It is checked: extracting it can't write outside of the target. Errors: as readHead. */
export function readIndex(path: string, source?: Source): Promise<ArchiveIndex> {
  return withTail(path, source, async (tail) => {
    const { format } = tail.footer
    const { head, columns, frames } = await framesOf(tail)
    const { totals, watched: _, spotChecks: __, ...rest } = head
    const digests = await readSection(tail, 'digests')
    return decoded(path, () => {
      const entries = decodeEntries(columns, digests, { frames, prefixes: head.prefixes, format })
      if (!isDeepStrictEqual(totalsOf({ entries, frames }), totals))
        throw new Malformed('its head gives another number of entries than it has')
      return { ...rest, entries, frames }
    })
  })
}

/**
 * Reads where the frames are, and their checksums, and the head as it is stored: what a copy needs. It takes a third of the time.
 * Errors: as readHead.
 */
export function readFrames(path: string, source?: Source): Promise<{ created: string; head: Buffer; frames: Frame[] }> {
  return withTail(path, source, async (tail) => {
    const { head, frames } = await framesOf(tail)
    return { created: head.created, head: await readSection(tail, 'head'), frames }
  })
}

async function framesOf(tail: Tail): Promise<{ head: ArchiveHead; columns: Columns; frames: Frame[] }> {
  const { footer, path } = tail
  const opening = OPENING[footer.format]
  const isZip = footer.format === 'zip'
  const start = await readAt(tail.source, 0, isZip ? Math.min(OPENING_ROOM, footer.fileSize) : opening.length, path)
  if (isZip ? !hasOpening(start) : !start.equals(opening)) throw damaged(path, 'its beginning is not what was written')
  const { header, offset } = containerHeader(footer)
  const found = await readRange(tail, { offset, size: header.length })
  if (!found.equals(header)) throw damaged(path, 'its index does not begin where it should')
  const head = await headOf(tail)
  const json = await readSection(tail, 'entries')
  return decoded(path, () => {
    const columns = v.parse(Columns, parseJson(json), { abortEarly: true })
    const { format, indexOffset } = footer
    const frames = decodeFrames(format, columns, format === 'sqfs' ? 0 : opening.length, indexOffset)
    return { head, columns, frames }
  })
}

/**
 * Whether the file is one of our archives, of any version and however damaged. Only such a file may be replaced.
 * False if there is no file, and for a symbolic link or a socket.
 * @throws StageError ARCHIVE_UNREADABLE
 */
export async function isOurs(path: string): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(path, flags).catch((error: unknown) => {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(errnoOf(error) ?? '')) throw asReadFailure(error, path)
  })
  if (handle === undefined) return false
  try {
    const stat = await answered(path, handle.stat())
    if (!stat.isFile()) return false
    const endSize = Math.min(stat.size, FOOTER_ROOM)
    const end = await readAt(handle, stat.size - endSize, endSize, path)
    if (footerAt(end) !== 'foreign' || zipFooterEnd(end) !== undefined) return true
    return hasOpening(await readAt(handle, 0, Math.min(stat.size, OPENING_ROOM), path))
  } finally {
    await closeRead(handle)
  }
}

/**
 * Reads one frame as it is stored, or other bytes of the archive; the caller may be working on another one.
 * @param archive `path` is for messages only
 * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE
 */
export async function readStored(
  fd: number,
  archive: { path: string },
  frame: Pick<Frame, 'offset' | 'compressedSize'>,
): Promise<Buffer> {
  // Memory of its own, so that it can be freed when the frame is done.
  const data = Buffer.allocUnsafeSlow(frame.compressedSize)
  for (let done = 0; done < data.length; ) {
    const reading = readFrom(fd, data, done, frame.offset + done, { path: () => archive.path })
    const bytesRead = await answered(archive.path, reading)
    if (bytesRead === 0) throw damaged(archive.path, 'it is shorter than its index says')
    done += bytesRead
  }
  return data
}

/** Decompresses a stored frame, and verifies its checksum. */
export function decodeFrame(data: Buffer, archive: { format: Format; path: string }, frame: Frame): Buffer {
  try {
    return decompressSync(archive.format, data, frame.size, frame.checksum)
  } catch (cause) {
    throw damaged(archive.path, `the frame at byte ${frame.offset} can't be decompressed`, cause)
  }
}

interface Tail {
  source: Source
  path: string
  footer: Footer
  /** The bytes up to the end of the footer; `bytesFrom` is where they begin. */
  bytes: Buffer
  bytesFrom: number
}

async function withTail<T>(path: string, given: Source | undefined, read: (tail: Tail) => Promise<T>): Promise<T> {
  if (given) return await read(await readTail(given, path))
  const handle = await open(path, 'r')
  try {
    return await read(await readTail(handle, path))
  } finally {
    await closeRead(handle)
  }
}

async function readTail(source: Source, path: string): Promise<Tail> {
  const stat = await answered(path, source.stat())
  if (!stat.isFile()) throw foreign(path, 'is not a file')
  const { bytes, bytesFrom } = await readEnd(source, stat.size, path)
  const footer = footerAt(bytes)
  if (footer === 'damaged') throw damaged(path, 'its last bytes are not what was written')
  if (footer === 'foreign') {
    const start = await readAt(source, 0, Math.min(stat.size, OPENING_ROOM), path)
    if (isBzip2(start)) throw foreign(path, "is a tar.bz2, which has no index and can't be staged")
    throw hasOpening(start) ? damaged(path, 'its end is missing') : foreign(path)
  }
  if (footer.version !== FORMAT_VERSION) throw otherVersion(path, footer.version, footer.generator)
  // Before anything is made of such a size.
  if (payloadSize(footer) > stat.size) throw damaged(path, 'its size is not what its end says')
  const end = footer.indexOffset + containerSize(footer.format, payloadSize(footer))
  if (footer.fileSize !== stat.size || end !== bytesFrom + bytes.length)
    throw damaged(path, 'its size is not what its end says')
  return { source, path, footer, bytes, bytesFrom }
}

/** The bytes up to the end of the footer: the file's last ones, or in a zip those before its directory. */
async function readEnd(source: Source, size: number, path: string): Promise<Pick<Tail, 'bytes' | 'bytesFrom'>> {
  const read = async (end: number) => {
    const bytesFrom = Math.max(0, end - TAIL_SIZE)
    return { bytes: await readAt(source, bytesFrom, end - bytesFrom, path), bytesFrom }
  }
  const last = await read(size)
  const end = zipFooterEnd(last.bytes)
  if (end === undefined) return last
  if (end > size) throw damaged(path, 'its end is not what was written')
  return await read(end)
}

async function headOf(tail: Tail): Promise<ArchiveHead> {
  const bytes = await readSection(tail, 'head')
  const { version, format } = tail.footer
  return decoded(tail.path, () => ({ version, format, ...decodeHead(bytes) }))
}

async function readSection(tail: Tail, name: SectionName): Promise<Buffer> {
  const { path, footer } = tail
  const section = footer.sections[name]
  if (section.size > SECTION_LIMIT || section.storedSize > SECTION_LIMIT)
    throw damaged(path, 'its index has an impossible size')
  const start = sectionStart(footer, name)
  const range = rangeInFile(footer, start, section.storedSize)
  const stored = unwrap(footer.format, await readRange(tail, range), start, section.storedSize)
  if (stored === undefined || sha256(stored) !== section.sha256)
    throw damaged(path, `the checksum of its ${name} is wrong`)
  if (isStored(name)) return stored
  return decoded(path, () => decompressSync(sectionFormat(footer.format), stored, section.size))
}

/** Takes the range from the bytes that were read at the end already, if they hold it. */
async function readRange(tail: Tail, { offset, size }: { offset: number; size: number }): Promise<Buffer> {
  const at = offset - tail.bytesFrom
  return at >= 0 ? tail.bytes.subarray(at, at + size) : await readAt(tail.source, offset, size, tail.path)
}

async function readAt(source: Source, offset: number, size: number, path: string): Promise<Buffer> {
  const data = Buffer.allocUnsafe(size)
  for (let done = 0; done < size; ) {
    const { bytesRead } = await answered(path, source.read(data, done, size - done, offset + done))
    if (bytesRead === 0) throw damaged(path, 'it is shorter than its end says')
    done += bytesRead
  }
  return data
}

/** What the disk or its server answers. */
async function answered<T>(path: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw asReadFailure(error, path)
  }
}

/** An index that can't be decoded although its checksum is right was forged, or written by a program with a bug. */
function decoded<T>(path: string, decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    throw damaged(path, `its index makes no sense (${cause instanceof Error ? cause.message : String(cause)})`, cause)
  }
}
