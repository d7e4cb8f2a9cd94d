import { inflateSync, zstdDecompressSync } from 'node:zlib'
import { Malformed } from '../../archive/read/malformed.ts'
import type { Source } from '../../archive/reader.ts'

/** Squashfs 4.0, https://dr-emann.github.io/squashfs/squashfs.html and Documentation/filesystems/squashfs.rst of the kernel. */
const SUPERBLOCK_SIZE = 96
const METADATA_SIZE = 8192
/** Of the tables of 4 million files. A forged size must not take all memory. */
const TABLES_LIMIT = 512 * 1024 * 1024
const LARGEST_BLOCK = 1024 * 1024
const COMPRESSORS: Record<number, (data: Buffer, maxOutputLength: number) => Buffer> = {
  1: (data, maxOutputLength) => inflateSync(data, { maxOutputLength }),
  6: (data, maxOutputLength) => zstdDecompressSync(data, { maxOutputLength }),
}
/** Set in a stored size if the block is not compressed. */
const METADATA_PLAIN = 0x8000
const BLOCK_PLAIN = 1 << 24

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Malformed(what)
}

/** A place in a table: where its block begins, and the offset in the block's unpacked bytes. */
export interface Place {
  block: number
  offset: number
}

/** Where a block of contents is stored, and how. */
export interface StoredBlock {
  start: number
  size: number
  isPlain: boolean
}

/** What stands behind the contents: inodes, folders, and where the fragments are. It is read at once. */
export class Tables {
  readonly blockSize: number
  readonly root: Place
  /** Where the image ends. Programs ignore what follows. */
  readonly end: number
  readonly #source: Source
  readonly #superblock: Buffer
  readonly #start: number
  readonly #bytes: Buffer
  readonly #unpack: (data: Buffer, most: number) => Buffer
  readonly #blocks = new Map<number, { data: Buffer; next: number }>()

  /** @throws Malformed; what reading the file throws */
  static async read(source: Source, fileSize: number): Promise<Tables> {
    const superblock = await bytesAt(source, 0, SUPERBLOCK_SIZE)
    check(superblock.readUInt32LE(0) === 0x73717368, 'it is not a squashfs image')
    check(superblock.readUInt16LE(28) === 4, 'it is an image of another version of squashfs')
    const start = Number(superblock.readBigUInt64LE(64))
    const end = Number(superblock.readBigUInt64LE(40))
    check(start >= SUPERBLOCK_SIZE && start < end && end <= fileSize, 'its tables are outside of it')
    check(end - start <= TABLES_LIMIT, 'its tables have an impossible size')
    return new Tables(source, superblock, await bytesAt(source, start, end - start))
  }

  private constructor(source: Source, superblock: Buffer, bytes: Buffer) {
    this.#source = source
    this.#superblock = superblock
    this.#bytes = bytes
    this.#start = Number(superblock.readBigUInt64LE(64))
    this.end = Number(superblock.readBigUInt64LE(40))
    this.blockSize = superblock.readUInt32LE(12)
    check(this.blockSize >= 4096 && this.blockSize <= LARGEST_BLOCK, 'its blocks have an impossible size')
    const compressor = superblock.readUInt16LE(20)
    const unpack = COMPRESSORS[compressor]
    if (unpack === undefined)
      throw new Malformed(`it is compressed by another method (${compressor}) than gzip and zstd`)
    this.#unpack = unpack
    this.root = this.inodeAt(superblock.readBigUInt64LE(32))
  }

  /** @param reference as in a superblock */
  inodeAt(reference: bigint): Place {
    return { block: this.#start + Number(reference >> 16n), offset: Number(reference & 0xffffn) }
  }

  /** @param block and offset as in a folder's entry */
  inode(block: number, offset: number): Place {
    return { block: this.#start + block, offset }
  }

  /** @param block and offset as in a folder's inode */
  folder(block: number, offset: number): Place {
    return { block: Number(this.#superblock.readBigUInt64LE(72)) + block, offset }
  }

  /** The bytes at this place, which may go on in the next blocks. `place` is moved behind them. */
  take(place: Place, size: number): Buffer {
    check(size <= this.#bytes.length * METADATA_SIZE, 'a table is shorter than its contents')
    const parts: Buffer[] = []
    for (let left = size; left > 0; ) {
      const { data, next } = this.#metadata(place.block)
      check(place.offset <= data.length, 'something follows a block')
      const part = data.subarray(place.offset, place.offset + left)
      parts.push(part)
      left -= part.length
      place.offset += part.length
      if (left > 0) {
        place.block = next
        place.offset = 0
      }
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Where the ends of files are that share a block. */
  fragment(number: number): StoredBlock {
    check(number < this.#superblock.readUInt32LE(16), 'a fragment does not exist')
    const at = Number(this.#superblock.readBigUInt64LE(80)) + Math.floor(number / 512) * 8 - this.#start
    check(at >= 0 && at + 8 <= this.#bytes.length, 'its fragments are outside of it')
    const block = Number(this.#bytes.readBigUInt64LE(at))
    const entry = this.take({ block, offset: (number % 512) * 16 }, 16)
    return storedBlock(Number(entry.readBigUInt64LE(0)), entry.readUInt32LE(8))
  }

  /** The contents of a block. @throws Malformed */
  async unpacked({ start, size, isPlain }: StoredBlock): Promise<Buffer> {
    check(
      start >= SUPERBLOCK_SIZE && size > 0 && size <= this.blockSize && start + size <= this.end,
      'a block is outside of it',
    )
    const stored = await bytesAt(this.#source, start, size)
    return isPlain ? stored : this.#decompressed(stored, this.blockSize)
  }

  #metadata(block: number): { data: Buffer; next: number } {
    const known = this.#blocks.get(block)
    if (known !== undefined) return known
    const at = block - this.#start
    check(at >= 0 && at + 2 <= this.#bytes.length, 'a table ends early')
    const header = this.#bytes.readUInt16LE(at)
    const size = header & ~METADATA_PLAIN
    check(size > 0 && at + 2 + size <= this.#bytes.length, 'a block of a table ends early')
    const stored = this.#bytes.subarray(at + 2, at + 2 + size)
    const data = (header & METADATA_PLAIN) !== 0 ? stored : this.#decompressed(stored, METADATA_SIZE)
    const found = { data, next: block + 2 + size }
    this.#blocks.set(block, found)
    return found
  }

  #decompressed(stored: Buffer, most: number): Buffer {
    try {
      return this.#unpack(stored, most)
    } catch (cause) {
      throw new Malformed(`a block can't be decompressed (${(cause as Error).message})`)
    }
  }
}

/** @param size with its flag, as in the image */
export const storedBlock = (start: number, size: number): StoredBlock => ({
  start,
  size: size & ~BLOCK_PLAIN,
  isPlain: (size & BLOCK_PLAIN) !== 0,
})

async function bytesAt(source: Source, position: number, size: number): Promise<Buffer> {
  const data = Buffer.allocUnsafe(size)
  for (let done = 0; done < size; ) {
    const { bytesRead } = await source.read(data, done, size - done, position + done)
    check(bytesRead > 0, 'it is shorter than it says')
    done += bytesRead
  }
  return data
}
