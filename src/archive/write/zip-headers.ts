import type { Entry } from '../../model/entry.ts'
import { splitTime } from '../../model/times.ts'
import { ZIP_GREETING } from '../format.ts'

/** One member of a zip, with the facts in its headers. */
export interface ZipMember {
  /** A folder's name ends in a slash. */
  name: Buffer
  entry: Entry
  /** Where its local header begins. */
  offset: number
  /** 8: deflate, 0: stored as it is. */
  method: 8 | 0
  crc: number
  size: number
  compressedSize: number
}

/** Sizes and offsets from here on go into the zip64 field. It is less than 32 bits hold, because compression may add bytes. */
const ZIP64_FROM = 0xf000_0000
const MAX32 = 0xffff_ffff
const UNIX = 3 << 8
const TYPE_BITS = { file: 0o100000, hardlink: 0o100000, symlink: 0o120000, directory: 0o040000 } as const

/** The header before a member's data. Its length does not depend on checksum and compressed size. */
export function localHeader(member: ZipMember): Buffer {
  const isLarge = member.size >= ZIP64_FROM
  const extra = [timeExtra(member.entry)]
  if (isLarge) extra.push(extraField(1, u64(member.size), u64(member.compressedSize)))
  if (member.offset === 0) extra.push(extraField(GREETING_ID, Buffer.from(ZIP_GREETING)))
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  common(header, 4, member, isLarge)
  header.writeUInt32LE(isLarge ? MAX32 : member.compressedSize, 18)
  header.writeUInt32LE(isLarge ? MAX32 : member.size, 22)
  return withNameAndExtra(header, 26, member, extra)
}

/** The entry of the central directory. */
export function centralHeader(member: ZipMember): Buffer {
  const { entry, offset, size, compressedSize } = member
  const isLarge = size >= ZIP64_FROM
  const isFar = offset >= ZIP64_FROM
  const extra = [timeExtra(entry)]
  const wide = [...(isLarge ? [u64(size), u64(compressedSize)] : []), ...(isFar ? [u64(offset)] : [])]
  if (wide.length > 0) extra.push(extraField(1, ...wide))
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(UNIX | 30, 4)
  common(header, 6, member, isLarge || isFar)
  header.writeUInt32LE(isLarge ? MAX32 : compressedSize, 20)
  header.writeUInt32LE(isLarge ? MAX32 : size, 24)
  const mode = entry.type === 'symlink' ? 0o777 : entry.mode
  header.writeUInt32LE((((TYPE_BITS[entry.type] | mode) << 16) >>> 0) + (entry.type === 'directory' ? 0x10 : 0), 38)
  header.writeUInt32LE(isFar ? MAX32 : offset, 42)
  return withNameAndExtra(header, 28, member, extra)
}

/** The end of a zip, behind its central directory of `size` bytes and `count` entries at `offset`. */
export function endOfDirectory({ offset, size, count, comment }: Directory): Buffer {
  const end = Buffer.alloc(22)
  const needs64 = count >= 0xffff || offset >= ZIP64_FROM || size >= ZIP64_FROM
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(needs64 ? 0xffff : count, 8)
  end.writeUInt16LE(needs64 ? 0xffff : count, 10)
  end.writeUInt32LE(needs64 ? MAX32 : size, 12)
  end.writeUInt32LE(needs64 ? MAX32 : offset, 16)
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...(needs64 ? [end64({ offset, size, count })] : []), end, Buffer.from(comment, 'latin1')])
}

interface Directory {
  offset: number
  size: number
  count: number
  comment: string
}

/** The zip64 record and its locator. */
function end64({ offset, size, count }: Omit<Directory, 'comment'>): Buffer {
  const record = Buffer.alloc(56)
  record.writeUInt32LE(0x06064b50, 0)
  record.writeBigUInt64LE(44n, 4)
  record.writeUInt16LE(UNIX | 45, 12)
  record.writeUInt16LE(45, 14)
  for (const at of [24, 32]) record.writeBigUInt64LE(BigInt(count), at)
  record.writeBigUInt64LE(BigInt(size), 40)
  record.writeBigUInt64LE(BigInt(offset), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(offset + size), 8)
  locator.writeUInt32LE(1, 16)
  return Buffer.concat([record, locator])
}

/** Writes the fields that both headers have, in the same order: version, flags, method, time, checksum. */
function common(header: Buffer, at: number, { name, entry, method, crc }: ZipMember, is64: boolean): void {
  header.writeUInt16LE(is64 ? 45 : 20, at)
  header.writeUInt16LE(isUtf8(name) ? 0x0800 : 0, at + 2)
  header.writeUInt16LE(method, at + 4)
  header.writeUInt32LE(dosTime(entry.mtimeNs), at + 6)
  header.writeUInt32LE(crc, at + 10)
}

function withNameAndExtra(header: Buffer, at: number, { name }: ZipMember, extra: readonly Buffer[]): Buffer {
  const fields = Buffer.concat(extra)
  header.writeUInt16LE(name.length, at)
  header.writeUInt16LE(fields.length, at + 2)
  return Buffer.concat([header, name, fields])
}

/** `CS`. Nobody else has registered it. */
const GREETING_ID = 0x5343

function extraField(id: number, ...data: Buffer[]): Buffer {
  const content = Buffer.concat(data)
  const header = Buffer.alloc(4)
  header.writeUInt16LE(id, 0)
  header.writeUInt16LE(content.length, 2)
  return Buffer.concat([header, content])
}

/** Info-ZIP's extended time stamp: seconds since 1970, if 32 bits hold them. */
function timeExtra({ mtimeNs }: Entry): Buffer {
  const [seconds] = splitTime(mtimeNs)
  if (seconds !== (seconds | 0)) return Buffer.alloc(0)
  const data = Buffer.alloc(5)
  data[0] = 1
  data.writeInt32LE(seconds, 1)
  return extraField(0x5455, data)
}

/** The time stamp for programs that know no other. It is UTC, although they take it for local time. */
function dosTime(mtimeNs: bigint): number {
  const date = new Date(Number(mtimeNs / 1_000_000n))
  const year = date.getUTCFullYear()
  if (year < 1980 || year > 2107) return 0x0021_0000 // the first of January 1980
  const day = ((year - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate()
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1)
  return ((day << 16) | time) >>> 0
}

const isUtf8 = (name: Buffer): boolean =>
  name.some((byte) => byte >= 0x80) && name.equals(Buffer.from(name.toString('utf8')))

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
