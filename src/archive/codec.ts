import {
  constants,
  crc32,
  deflateRaw,
  gunzipSync,
  gzip,
  gzipSync,
  inflateRawSync,
  zstdCompress,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'
import type { ArchiveFormat } from '../model/archive-index.ts'

export type Format = ArchiveFormat

/** Measured on a Python environment; docs/archive-format.md has the figures. A plain tar is not compressed. */
export const DEFAULT_LEVEL: Record<Format, number> = { 'tar.zst': 3, 'tar.gz': 6, tar: 0, zip: 6, sqfs: 3 }

export type Compress = (format: Format, content: Buffer, level: number) => Promise<Buffer>

/** Whether the index has to hold a checksum of each frame's content, because the frames of this format carry none. */
export const needsChecksum = (format: Format): boolean => format !== 'tar.zst' && format !== 'tar.gz'

/** Whether the index holds a checksum of each frame as it is stored. With it, a repack copies frames without decompressing them. */
export const hasStoredChecksum = (format: Format): boolean => format === 'tar.zst' || format === 'tar.gz'

/** How the sections of the index are compressed. */
export const sectionFormat = (format: Format): 'tar.zst' | 'tar.gz' =>
  format === 'tar.zst' || format === 'sqfs' ? 'tar.zst' : 'tar.gz'

/** Whether the frames are bytes of the file as they are. */
export const isPlain = (format: Format): boolean => format === 'tar' || format === 'sqfs'

/**
 * Compresses one frame in libuv's pool. One output buffer for the worst case, instead of zlib's 16 KB pieces, saves 250 round
 * trips and a concatenation per frame.
 * @param last for a zip only: false if further frames of the same file follow in its deflate stream
 */
export function compressInPool(format: Format, data: Buffer, level: number, last = true): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, result: Buffer) => (error === null ? resolve(result) : reject(error))
    const finishFlush = last ? constants.Z_FINISH : constants.Z_FULL_FLUSH
    if (format === 'tar') resolve(data)
    else if (format === 'tar.gz') gzip(data, { level, chunkSize: worstCase(data.length) }, done)
    else if (format === 'zip') deflateRaw(data, { level, chunkSize: worstCase(data.length), finishFlush }, done)
    else zstdCompress(data, zstdOptions(data, level), done)
  })
}

export function compressSync(format: 'tar.zst' | 'tar.gz', data: Buffer, level: number): Buffer {
  if (format === 'tar.gz') return gzipSync(data, { level, chunkSize: worstCase(data.length) })
  return zstdCompressSync(data, zstdOptions(data, level))
}

/**
 * Throws zlib's errors, and a RangeError if size or checksum are not the given ones. zlib verifies checksums that are part of
 * the data.
 */
export function decompressSync(format: Format, data: Buffer, size: number, checksum?: number): Buffer {
  // With room beyond the end, zlib sees the end of the stream without a second output buffer.
  const options = { chunkSize: size + 64, maxOutputLength: Math.max(1, size) }
  const result = decompressWith(format, data, options)
  if (result.length !== size) throw new RangeError(`${result.length} bytes instead of ${size}`)
  if (checksum !== undefined && crc32(result) !== checksum) throw new RangeError('its checksum is wrong')
  return result
}

function decompressWith(format: Format, data: Buffer, options: { chunkSize: number; maxOutputLength: number }): Buffer {
  if (isPlain(format)) return data
  if (format === 'tar.gz') return gunzipSync(data, options)
  if (format === 'zip') return inflateRawSync(data, { ...options, finishFlush: constants.Z_SYNC_FLUSH })
  return zstdDecompressSync(data, options)
}

const zstdOptions = (data: Buffer, level: number) => ({
  chunkSize: worstCase(data.length),
  pledgedSrcSize: data.length,
  // To zstd itself, 0 is another word for its default level.
  params: { [constants.ZSTD_c_compressionLevel]: Math.max(1, level), [constants.ZSTD_c_checksumFlag]: 1 },
})

/** The most bytes that so many can be compressed to: more than ZSTD_compressBound and deflateBound. */
export const worstCase = (size: number): number => size + (size >> 8) + 1024
