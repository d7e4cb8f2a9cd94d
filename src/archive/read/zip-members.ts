import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { type Entry, fromFd, type LocalFileHeader, type ZipFile } from 'yauzl'
import type { BytePath } from '../../model/byte-path.ts'
import { isPossibleTime } from '../../model/times.ts'
import { Malformed } from './malformed.ts'
import { LONGEST_PATH, type Member, memberPath, wrongTarget } from './member.ts'

/** A member, and where it stands in the file. */
interface ZipMember extends Member {
  /** Where its header begins. */
  header: number
  end: number
}

/**
 * Gives the members of a zip in the order of its directory. It is strict: yauzl is, and what it does not look at is looked at
 * here. That is checksums, whether the directory is all that stands before the end, whether the header in front of each
 * member says the same, and whether members overlap. The handle stays open.
 * @throws Malformed; what yauzl throws
 */
export async function* zipMembers(handle: FileHandle): AsyncGenerator<Member> {
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false } as const
    fromFd(handle.fd, options, (error, file) => (error ? reject(asMalformed(error)) : resolve(file)))
  })
  const directory = await directoryOf(zip, handle)
  const starts: number[] = []
  const ends: number[] = []
  let size = 0
  for (;;) {
    const entry = await nextEntry(zip)
    if (entry === undefined) break
    size += ENTRY_SIZE + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength
    const member = await memberOf(zip, entry)
    if (member.end > directory.start) throw new Malformed('reaches into the directory', member.path)
    starts.push(member.header)
    ends.push(member.end)
    yield member
  }
  if (directory.start + size !== directory.end) throw new Malformed('its directory holds more than it says')
  assertApart(starts, ends)
}

const ENTRY_SIZE = 46
const END_SIZE = 22
const LOCATOR_SIZE = 20
const ZIP64_END_SIZE = 56
const LOCATOR = 0x07064b50

/** Where the directory stands, by the record behind it. A zip behind something else, or of two zips, has it elsewhere. */
async function directoryOf(zip: ZipFile, handle: FileHandle): Promise<{ start: number; end: number }> {
  const at = zip.fileSize - END_SIZE - zip.comment.length
  const before = Math.min(at, LOCATOR_SIZE)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(before + END_SIZE), 0, before + END_SIZE, at - before)
  if (bytesRead < buffer.length) throw new Malformed('its end is missing')
  const isZip64 = before === LOCATOR_SIZE && buffer.readUInt32LE(0) === LOCATOR
  if (!isZip64) return placeOf(buffer.readUInt32LE(before + 16), buffer.readUInt32LE(before + 12), at)
  const end = Number(buffer.readBigUInt64LE(8))
  const record = await handle.read(Buffer.alloc(ZIP64_END_SIZE), 0, ZIP64_END_SIZE, end)
  const [size, start] = [record.buffer.readBigUInt64LE(40), record.buffer.readBigUInt64LE(48)]
  if (end + ZIP64_END_SIZE !== at - LOCATOR_SIZE) throw new Malformed('its directory is not directly before its end')
  return placeOf(Number(start), Number(size), end)
}

function placeOf(start: number, size: number, end: number): { start: number; end: number } {
  if (start + size !== end) throw new Malformed('its directory is not directly before its end')
  return { start, end }
}

function nextEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    zip.removeAllListeners()
    zip.once('entry', resolve)
    zip.once('end', () => resolve(undefined))
    zip.once('error', (error: Error) => reject(asMalformed(error)))
    zip.readEntry()
  })
}

async function memberOf(zip: ZipFile, entry: Entry): Promise<ZipMember> {
  const name = (entry.fileName as unknown as Buffer).toString('latin1')
  const path = memberPath(name)
  const attributes = entry.externalFileAttributes >>> 16
  const type = typeOf(attributes, name)
  if ((type === 'directory') !== name.endsWith('/')) throw new Malformed('has the name of another type', name)
  if (type === 'directory' && entry.uncompressedSize > 0) throw new Malformed('is a directory with content', name)
  if (entry.extraFields.some(({ id }) => id === OTHER_NAME)) throw new Malformed('has two names', name)
  const time = BigInt(entry.getLastModDate().getTime() || 0) * 1_000_000n
  if (!isPossibleTime(time)) throw new Malformed('has an impossible time', name)
  const { fileDataStart: start } = await localHeader(zip, entry, name)
  const content = contentOf(zip, { entry, start, name })
  return {
    path,
    type,
    // Without a type, it is not Unix that wrote them.
    mode: (attributes & FORMAT) === 0 ? (type === 'directory' ? 0o755 : 0o644) : attributes & 0o7777,
    mtimeNs: time,
    size: type === 'file' ? entry.uncompressedSize : 0,
    target: type === 'symlink' ? await targetOf(entry, content, name) : '',
    content,
    start,
    header: entry.relativeOffsetOfLocalHeader,
    end: start + entry.compressedSize,
  }
}

/** Info-ZIP's field for a name in Unicode, which some programs prefer. */
const OTHER_NAME = 0x7075
const FORMAT = 0o170000

function typeOf(attributes: number, name: BytePath): 'file' | 'directory' | 'symlink' {
  switch (attributes & FORMAT) {
    case 0:
      return name.endsWith('/') ? 'directory' : 'file'
    case 0o100000:
      return 'file'
    case 0o040000:
      return 'directory'
    case 0o120000:
      return 'symlink'
    default:
      throw new Malformed('is neither a file nor a folder nor a link', name)
  }
}

/** The header in front of a member's data. Programs that read a zip from its beginning go by it. */
function localHeader(zip: ZipFile, entry: Entry, name: BytePath): Promise<LocalFileHeader> {
  return new Promise((resolve, reject) =>
    zip.readLocalFileHeader(entry, (error, header) => {
      if (error) reject(asMalformed(error, name))
      else if (!header.fileName.equals(entry.fileName as unknown as Buffer) || !sameFacts(header, entry))
        reject(new Malformed('has two headers that differ', name))
      else resolve(header)
    }),
  )
}

function sameFacts(header: LocalFileHeader, entry: Entry): boolean {
  if (header.compressionMethod !== entry.compressionMethod) return false
  // Its numbers stand behind the data.
  if ((header.generalPurposeBitFlag & 8) !== 0) return true
  const same = (local: number, directory: number) => local === directory || local === ELSEWHERE
  return (
    header.crc32 === entry.crc32 &&
    same(header.compressedSize, entry.compressedSize) &&
    same(header.uncompressedSize, entry.uncompressedSize)
  )
}

/** The number that is too large, and stands in a zip64 field. */
const ELSEWHERE = 0xffffffff

async function targetOf(entry: Entry, content: AsyncIterable<Buffer>, name: BytePath): Promise<BytePath> {
  if (entry.uncompressedSize > LONGEST_PATH)
    throw new Malformed(`is a symbolic link with a target of ${entry.uncompressedSize} bytes`, name)
  let target = ''
  for await (const chunk of content) target += chunk.toString('latin1')
  const wrong = wrongTarget(target)
  if (wrong !== undefined) throw new Malformed(wrong, name)
  return target
}

async function* contentOf(
  zip: ZipFile,
  { entry, start, name }: { entry: Entry; start: number; name: BytePath },
): AsyncGenerator<Buffer> {
  const { compressedSize, uncompressedSize } = entry
  if (!entry.canDecodeFileData()) throw new Malformed('is encrypted, or compressed in an unknown way', name)
  let [sum, size] = [0, 0]
  try {
    const stream = await new Promise<Readable>((resolve, reject) => {
      const isDeflated = entry.isCompressed()
      // The library's promise for it opens something else.
      zip.openReadStreamLowLevel(
        start,
        compressedSize,
        0,
        compressedSize,
        isDeflated,
        uncompressedSize,
        (error, opened) => (error ? reject(error) : resolve(opened)),
      )
    })
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum)
      size += chunk.length
      yield chunk
    }
  } catch (error) {
    throw asMalformed(error as Error, name)
  }
  if (size !== uncompressedSize) throw new Malformed('has another size than the directory says', name)
  if (sum !== entry.crc32) throw new Malformed('has a wrong checksum', name)
}

/** What yauzl and zlib find wrong has no code of the file system. */
function asMalformed(error: Error & { code?: unknown; syscall?: unknown }, name?: BytePath): Error {
  if (error instanceof Malformed || error.syscall !== undefined) return error
  return new Malformed(
    name === undefined ? `it is not a complete zip (${error.message})` : `can't be read (${error.message})`,
    name,
  )
}

function assertApart(starts: number[], ends: number[]): void {
  const byNumber = (numbers: number[]): Float64Array => Float64Array.from(numbers).sort()
  const [from, to] = [byNumber(starts), byNumber(ends)]
  for (let next = 1; next < from.length; next++)
    if (to[next - 1]! > from[next]!) throw new Malformed('two of its members overlap')
}
