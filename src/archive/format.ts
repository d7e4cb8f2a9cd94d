import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { FORMAT_VERSION } from '../model/archive-index.ts'
import type { Format } from './codec.ts'
import { globalHeader } from './tar.ts'

/** The most uncompressed tar bytes in a frame: enough to compress well, and few enough to share frames among threads. */
export const FRAME_SIZE = 4 * 1024 * 1024
/** A frame that holds this much is closed, rather than a file cut in two. */
export const FRAME_ENOUGH = 1024 * 1024
/** The largest frame that a reader accepts: a forged size must not take all memory. */
export const FRAME_LIMIT = 16 * 1024 * 1024

const MARK = 'conda-stage archive'
const GREETING = globalHeader('comment', `${MARK}, format ${FORMAT_VERSION}; the index stands at the end`)

/**
 * The first bytes of each archive, always the same. Those of an image are squashfs's own. This frame identifies our archives even if their end is missing. A zip has to
 * begin with a member, whose extra field holds the greeting.
 */
export const OPENING: Readonly<Record<Format, Buffer>> = {
  'tar.zst': rawZstdFrame(GREETING),
  // Its checksum is computed by node:zlib, which few calls need to load.
  get 'tar.gz'() {
    return storedGzipMember(GREETING)
  },
  tar: GREETING,
  zip: Buffer.alloc(0),
  sqfs: Buffer.from('hsqs'),
}

/**
 * The first bytes of a tar.bz2 of ours, which has no index: a bzip2 stream of the same opening. Kept as bytes, so that they
 * depend on no version of bzip2.
 */
export const BZIP2_OPENING: Buffer = Buffer.from(
  'QlpoOTFBWSZTWaXIetUAAE7fmMyQQAZ9jgAAgAD/599ABAAAgAAIIAB0GpkaKbUbUyaMm1GhoabJqDSIepoAADTQAAVtg38owCkNxKBK+8YJAJfLOW0y' +
    'mnw7GmOgC11IIlnElDremC7Y8zSO7Zx2Fb9PpyT0QhoUpd15yGJDPUbE18AYdpWC1Y5KuFVdhTau54nRiB3GcKILvymCkHtxV/F3JFOFCQpch61Q',
  'base64',
)

/** The greeting in the extra field of a zip's first member. */
export const ZIP_GREETING = `comment=${MARK}, format ${FORMAT_VERSION}; the index stands before the central directory`

/** The comment of a zip, always of the same length. It says where the footer ends, because a zip's directory follows the footer. */
export const zipComment = (footerEnd: number): string =>
  `${MARK}; its index ends at byte ${String(footerEnd).padStart(16, '0')}`

/** Where the footer ends, if `bytes` are the end of a zip of ours. */
export function zipFooterEnd(bytes: Buffer): number | undefined {
  const digits = /; its index ends at byte (\d{16})$/.exec(
    bytes.toString('latin1', bytes.length - zipComment(0).length),
  )
  return digits?.input.startsWith(MARK) ? Number(digits[1]) : undefined
}

/** Bytes of a file's beginning that `hasOpening` needs. */
export const OPENING_ROOM = 1200

/** Whether a file with this beginning is, or was, one of our archives, of any version. */
export const hasOpening = (start: Buffer): boolean =>
  start.subarray(0, OPENING_ROOM).includes(`comment=${MARK}`) || isBzip2(start)

/** Whether a file that begins like this is a tar.bz2 of ours. */
export const isBzip2 = (start: Buffer): boolean => start.subarray(0, BZIP2_OPENING.length).equals(BZIP2_OPENING)

/** Made by hand, so that the bytes don't depend on the version of a compressor. */
function rawZstdFrame(data: Buffer): Buffer {
  const head = Buffer.alloc(10)
  head.writeUInt32LE(0xfd2fb528, 0)
  head[4] = 0x60 // single segment, content size in two bytes, no checksum
  head.writeUInt16LE(data.length - 256, 5)
  head.writeUIntLE(data.length * 8 + 1, 7, 3) // last block, raw
  return Buffer.concat([head, data])
}

function storedGzipMember(data: Buffer): Buffer {
  const stored = Buffer.from([1, 0, 0, 0, 0])
  stored.writeUInt16LE(data.length, 1)
  stored.writeUInt16LE(~data.length & 0xffff, 3)
  return Buffer.concat([gzipHeader(0), stored, data, gzipTrailer(data)])
}

export function gzipHeader(flags: number): Buffer {
  return Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255])
}

export function gzipTrailer(data: Buffer): Buffer {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(data), 0)
  trailer.writeUInt32LE(data.length, 4)
  return trailer
}

/** Sections of the index, in their order. The head comes last, so that one read of the file's end gets it. */
export const SECTIONS = ['entries', 'digests', 'head'] as const
export type SectionName = (typeof SECTIONS)[number]

interface Section {
  /** Size of the stored bytes. */
  storedSize: number
  size: number
  /** SHA-256 of the stored bytes, in hex. */
  sha256: string
}

export interface Footer {
  version: number
  format: Format
  /** Where the frames end and the index begins. */
  indexOffset: number
  fileSize: number
  sections: Record<SectionName, Section>
  /** Program and version that wrote the archive: at most 48 bytes. */
  generator: string
}

export const FOOTER_SIZE = 256
const FOOTER_MAGIC = 'CSTAGEIX'
const FORMATS: readonly Format[] = ['tar.zst', 'tar.gz', 'tar', 'zip', 'sqfs']

export function encodeFooter(footer: Footer): Buffer {
  const bytes = Buffer.alloc(FOOTER_SIZE)
  bytes.write(FOOTER_MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(footer.version, 8)
  bytes.writeUInt32LE(FORMATS.indexOf(footer.format) + 1, 12)
  bytes.writeBigUInt64LE(BigInt(footer.indexOffset), 16)
  bytes.writeBigUInt64LE(BigInt(footer.fileSize), 24)
  for (const [index, name] of SECTIONS.entries()) {
    const section = footer.sections[name]
    const at = 32 + index * 48
    bytes.writeBigUInt64LE(BigInt(section.storedSize), at)
    bytes.writeBigUInt64LE(BigInt(section.size), at + 8)
    bytes.write(section.sha256, at + 16, 'hex')
  }
  bytes.write(footer.generator, 176, 48, 'utf8')
  createHash('sha256').update(bytes.subarray(0, 224)).digest().copy(bytes, 224)
  return bytes
}

/** 'foreign' if this is no footer at all, 'damaged' if its checksum is wrong. Does not compare sizes with the file. */
export function decodeFooter(bytes: Buffer): Footer | 'foreign' | 'damaged' {
  if (bytes.length !== FOOTER_SIZE || bytes.toString('latin1', 0, 8) !== FOOTER_MAGIC) return 'foreign'
  const sum = createHash('sha256').update(bytes.subarray(0, 224)).digest()
  if (!sum.equals(bytes.subarray(224))) return 'damaged'
  const format = FORMATS[bytes.readUInt32LE(12) - 1]
  const version = bytes.readUInt32LE(8)
  if (format === undefined && version === FORMAT_VERSION) return 'damaged'
  const section = (index: number): Section => ({
    storedSize: Number(bytes.readBigUInt64LE(32 + index * 48)),
    size: Number(bytes.readBigUInt64LE(40 + index * 48)),
    sha256: bytes.toString('hex', 48 + index * 48, 80 + index * 48),
  })
  return {
    version,
    format: format ?? 'tar.zst',
    indexOffset: Number(bytes.readBigUInt64LE(16)),
    fileSize: Number(bytes.readBigUInt64LE(24)),
    sections: { entries: section(0), digests: section(1), head: section(2) },
    generator: bytes.toString('utf8', 176, 224).replace(/\0.*$/s, ''),
  }
}
