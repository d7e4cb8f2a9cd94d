import { createHash } from 'node:crypto'
import type { ArchiveIndex } from '../../model/archive-index.ts'
import { compressSync, type Format, sectionFormat } from '../codec.ts'
import {
  decodeFooter,
  encodeFooter,
  FOOTER_SIZE,
  type Footer,
  gzipHeader,
  gzipTrailer,
  SECTIONS,
  type SectionName,
} from '../format.ts'
import { encodeDigests, encodeEntries } from './encode.ts'
import { encodeHead } from './head.ts'

/**
 * The container holds the sections of the index and the footer in a form that other programs skip: one skippable frame
 * in zstd; a chain of empty members in gzip, with the bytes in their extra fields; plain bytes behind the end of a tar, and in
 * front of a zip's central directory.
 */

/** One of the sixteen magics of skippable frames. pzstd and zstd's seekable format use others. */
const SKIPPABLE_MAGIC = 0x184d2a53
const SKIPPABLE_HEADER = 8

/** Bytes of the index in one gzip member. An extra field holds at most 64 KiB. */
const MEMBER_DATA = 61_440
const MEMBER_HEADER = 16
const EMPTY_DEFLATE = Buffer.from([3, 0])
const MEMBER_TRAILER = EMPTY_DEFLATE.length + 8
const MEMBER_OVERHEAD = MEMBER_HEADER + MEMBER_TRAILER

/** Bytes at the end of the file that hold the footer in every format. */
export const FOOTER_ROOM = FOOTER_SIZE + MEMBER_OVERHEAD

/**
 * The bytes to write at `indexOffset`, where the frames end.
 * @param behind size of the zip directory that will follow
 */
export function encodeContainer(index: ArchiveIndex, indexOffset: number, behind = 0): Buffer {
  const plain: Record<SectionName, Buffer> = {
    entries: encodeEntries(index),
    digests: encodeDigests(index),
    head: encodeHead(index),
  }
  const format = sectionFormat(index.format)
  const level = format === 'tar.gz' ? 6 : 3
  const stored = SECTIONS.map((name) => (isStored(name) ? plain[name] : compressSync(format, plain[name], level)))
  const payload = Buffer.concat(stored)
  const section = (at: number) => {
    const bytes = stored[at]!
    return { storedSize: bytes.length, size: plain[SECTIONS[at]!].length, sha256: sha256(bytes) }
  }
  const footer = encodeFooter({
    version: index.version,
    format: index.format,
    indexOffset,
    fileSize: indexOffset + containerSize(index.format, payload.length) + behind,
    sections: { entries: section(0), digests: section(1), head: section(2) },
    generator: index.generator,
  })
  if (index.format === 'tar.gz') return Buffer.concat([...pieces(payload).map(gzipMember), gzipMember(footer)])
  return Buffer.concat([startOf(index.format, payload.length), payload, footer])
}

/** The bytes before the payload. Only zstd needs some. */
const startOf = (format: Format, payload: number): Buffer =>
  format === 'tar.zst' ? skippableHeader(payload + FOOTER_SIZE) : Buffer.alloc(0)

/** Digests are not compressed: they are random bytes, and compressing them would only cost time. */
export const isStored = (name: SectionName): boolean => name === 'digests'

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Size of the container in the file, for `payload` bytes of sections. */
export function containerSize(format: Format, payload: number): number {
  if (format !== 'tar.gz') return startOf(format, payload).length + payload + FOOTER_SIZE
  return payload + Math.ceil(payload / MEMBER_DATA) * MEMBER_OVERHEAD + FOOTER_SIZE + MEMBER_OVERHEAD
}

/** Bytes of the sections before this one. */
export function sectionStart(footer: Footer, name: SectionName): number {
  let start = 0
  for (const before of SECTIONS.slice(0, SECTIONS.indexOf(name))) start += footer.sections[before].storedSize
  return start
}

/** Bytes of all sections. */
export const payloadSize = (footer: Footer): number => sectionStart(footer, 'head') + footer.sections.head.storedSize

/** The bytes of the file that hold `size` bytes of the payload from `start` on. */
export function rangeInFile(footer: Footer, start: number, size: number): { offset: number; size: number } {
  if (footer.format !== 'tar.gz') {
    return { offset: footer.indexOffset + startOf(footer.format, 0).length + start, size }
  }
  const first = Math.floor(start / MEMBER_DATA)
  const end = Math.min(payloadSize(footer), Math.ceil((start + size) / MEMBER_DATA) * MEMBER_DATA)
  const from = first * (MEMBER_DATA + MEMBER_OVERHEAD)
  const to = end + Math.ceil(end / MEMBER_DATA) * MEMBER_OVERHEAD
  return { offset: footer.indexOffset + from, size: to - from }
}

/** Takes `size` bytes of the payload from `start` on out of that range. Undefined if a gzip member in it is damaged. */
export function unwrap(format: Format, bytes: Buffer, start: number, size: number): Buffer | undefined {
  if (format !== 'tar.gz') return bytes
  const data: Buffer[] = []
  for (let at = 0; at < bytes.length; at += MEMBER_DATA + MEMBER_OVERHEAD) {
    const member = bytes.subarray(at, at + MEMBER_DATA + MEMBER_OVERHEAD)
    const content = member.subarray(MEMBER_HEADER, member.length - MEMBER_TRAILER)
    if (!gzipMember(content).equals(member)) return undefined
    data.push(content)
  }
  const skipped = start % MEMBER_DATA
  return Buffer.concat(data).subarray(skipped, skipped + size)
}

/** The footer at the end of `bytes`, which are the last FOOTER_ROOM or more bytes of a file. Errors as in decodeFooter. */
export function footerAt(bytes: Buffer): Footer | 'foreign' | 'damaged' {
  const plain = decodeFooter(bytes.subarray(-FOOTER_SIZE))
  if (plain !== 'foreign') return plain
  const member = bytes.subarray(-FOOTER_ROOM)
  const content = member.subarray(MEMBER_HEADER, -MEMBER_TRAILER)
  const footer = decodeFooter(content)
  return footer === 'foreign' || gzipMember(content).equals(member) ? footer : 'damaged'
}

/** The header that has to stand before the sections. gzip's members are compared when they are unwrapped. */
export function containerHeader(footer: Footer): { header: Buffer; offset: number } {
  return { header: startOf(footer.format, payloadSize(footer)), offset: footer.indexOffset }
}

function skippableHeader(size: number): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER)
  header.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  header.writeUInt32LE(size, 4)
  return header
}

/** An empty gzip member with `data` in a subfield `CS` of its extra field. */
function gzipMember(data: Buffer): Buffer {
  const extra = Buffer.alloc(6)
  extra.writeUInt16LE(data.length + 4, 0)
  extra.write('CS', 2, 'latin1')
  extra.writeUInt16LE(data.length, 4)
  return Buffer.concat([gzipHeader(4), extra, data, EMPTY_DEFLATE, gzipTrailer(Buffer.alloc(0))])
}

function pieces(payload: Buffer): Buffer[] {
  const result: Buffer[] = []
  for (let at = 0; at < payload.length; at += MEMBER_DATA) result.push(payload.subarray(at, at + MEMBER_DATA))
  return result
}
