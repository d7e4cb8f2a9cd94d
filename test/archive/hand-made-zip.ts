/** Zips record by record, so that a test can say anything in them, right or wrong. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipMember {
  name: string
  content?: string | Buffer
  /** Unix type and mode. */
  mode?: number
  /** Compress it. */
  deflate?: boolean
  /** What both headers say, if that is not true. */
  crc?: number
  size?: number
  /** Changes a header when it is done. */
  forgeLocal?(header: Buffer): void
  forgeDirectory?(header: Buffer): void
  /** An earlier member at whose place the directory says that this one stands, `shift` bytes further. */
  offset?: string
  shift?: number
  /** Its name in front of its data, if that is another one. */
  localName?: string
  extra?: Buffer
}

export interface ZipEnd {
  /** What the last record says. */
  count?: number
  comment?: string
  /** Between the members and the directory, or between the directory and the end. */
  beforeDirectory?: Buffer
  beforeEnd?: Buffer
}

export function zip(members: readonly ZipMember[], end: ZipEnd = {}): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  const offsets = new Map<string, number>()
  for (const member of members) {
    const other = member.offset === undefined ? undefined : offsets.get(member.offset)! + (member.shift ?? 0)
    const { local, central } = records(member, other ?? at)
    if (other === undefined) offsets.set(member.name, at)
    parts.push(local)
    directory.push(central)
    at += local.length
  }
  const before = end.beforeDirectory ?? Buffer.alloc(0)
  const records_ = Buffer.concat(directory)
  const last = Buffer.alloc(22)
  last.writeUInt32LE(0x06054b50, 0)
  last.writeUInt16LE(end.count ?? members.length, 8)
  last.writeUInt16LE(end.count ?? members.length, 10)
  last.writeUInt32LE(records_.length, 12)
  last.writeUInt32LE(at + before.length, 16)
  const comment = Buffer.from(end.comment ?? '')
  last.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...parts, before, records_, end.beforeEnd ?? Buffer.alloc(0), last, comment])
}

function records(member: ZipMember, offset: number): { local: Buffer; central: Buffer } {
  const content = Buffer.from((member.content ?? '') as string, 'latin1')
  const isFolder = member.name.endsWith('/')
  const { mode = isFolder ? 0o040755 : 0o100644, crc = crc32(content), size = content.length } = member
  const extra = member.extra ?? Buffer.alloc(0)
  const data = member.deflate ? deflateRawSync(content) : content
  const name = Buffer.from(member.name, 'latin1')
  const localName = Buffer.from(member.localName ?? member.name, 'latin1')
  const common = Buffer.alloc(26)
  common.writeUInt16LE(20, 0)
  common.writeUInt16LE(member.deflate ? 8 : 0, 4)
  common.writeUInt16LE(0x5821, 8) // 2024-01-01
  common.writeUInt32LE(crc, 10)
  common.writeUInt32LE(data.length, 14)
  common.writeUInt32LE(size, 18)
  common.writeUInt16LE(name.length, 22)
  common.writeUInt16LE(extra.length, 24)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), common])
  member.forgeLocal?.(local)
  const behind = Buffer.alloc(14)
  behind.writeUInt32LE((mode << 16) >>> 0, 6)
  behind.writeUInt32LE(offset, 10)
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, behind])
  member.forgeDirectory?.(central)
  return { local: Buffer.concat([local, localName, extra, data]), central: Buffer.concat([central, name, extra]) }
}
