import { crc32 } from 'node:zlib'
import type { Frame } from '../../model/archive-index.ts'
import { type BytePath, bytesOf } from '../../model/byte-path.ts'
import type { Entry, FileEntry, RenamedMembers } from '../../model/entry.ts'
import { compressInPool } from '../codec.ts'
import { zipComment } from '../format.ts'
import type { ArchiveFile } from './file.ts'
import type { MemberWriter } from './member-writer.ts'
import { centralHeader, endOfDirectory, localHeader, type ZipMember } from './zip-headers.ts'

/** Bytes of a file that are compressed at once, as one frame. */
const PIECE = 4 * 1024 * 1024
/** The most frames, mostly small ones, and the most bytes that are on their way at once. */
const MOST_FRAMES = 256
const MOST_BYTES = 8 * PIECE
/** Bytes that are written at once. */
const GATHERED = 1024 * 1024

interface ZipOptions {
  file: ArchiveFile
  level: number
  /** Folder of the archive in which the environment stands; '' for none. */
  root: string
  renamed?: RenamedMembers | undefined
}

/**
 * The members of a zip. Each file is a deflate stream of its own that begins anew every 4 MiB, so that each frame can be read
 * by itself. A zip has no hard links: they become further copies.
 */
export class ZipMembers implements MemberWriter {
  readonly frames: Frame[] = []
  readonly #options: ZipOptions
  readonly #members: ZipMember[] = []
  readonly #files = new Map<BytePath, ZipMember>()
  /** Where the next byte goes, and how far the file is written. */
  #position = 0
  #flushed = 0
  #gathered: Buffer[] = []
  #begun = 0
  #current: { member: ZipMember; pieces: Buffer[]; bytes: number; isBegun: boolean } | undefined
  #written: Promise<void> = Promise.resolve()
  #inFlight: { done: Promise<void>; bytes: number }[] = []

  constructor(options: ZipOptions) {
    this.#options = options
  }

  async beginFile(entry: FileEntry, { beside }: { beside: boolean }): Promise<{ frame: number; offset: number }> {
    const member = this.#memberOf(entry, entry.size === 0 ? 0 : 8, beside ? entry.path : this.#nameOf(entry))
    if (!beside) this.#files.set(entry.path, member)
    this.#current = { member, pieces: [], bytes: 0, isBegun: false }
    // An empty file has no frame: it counts as the end of the one before.
    if (entry.size === 0) return { frame: Math.max(0, this.#begun - 1), offset: 0 }
    return { frame: this.#begun, offset: 0 }
  }

  async append(data: Buffer): Promise<void> {
    for (let from = 0; from < data.length; ) {
      const current = this.#current!
      // Copied, because the memory of contents is used again.
      const taken = Buffer.from(data.subarray(from, from + PIECE - current.bytes))
      from += taken.length
      current.pieces.push(taken)
      current.bytes += taken.length
      current.member.size += taken.length
      current.member.crc = crc32(taken, current.member.crc)
      // endFile() closes the last piece, because it knows that it is the last.
      if (current.bytes === PIECE && current.member.size < sizeOf(current.member.entry)) await this.#close(false)
    }
  }

  async endFile(): Promise<void> {
    const { member, isBegun } = this.#current!
    if (sizeOf(member.entry) === 0) return await this.#enqueue(0, () => this.#begin(member))
    await this.#close(true)
    // Checksum and compressed size of a file in several frames are known only now.
    if (isBegun) await this.#enqueue(0, () => this.#rewrite(localHeader(member), member.offset))
  }

  async add(entry: Exclude<Entry, FileEntry>): Promise<void> {
    if (entry.path === '' && this.#options.root === '') return
    if (entry.type === 'hardlink') await this.#enqueue(0, () => this.#copy(entry, this.#files.get(entry.target)!))
    else await this.#enqueue(0, () => this.#store(entry, entry.type === 'symlink' ? bytesOf(entry.target) : undefined))
  }

  async finish(): Promise<number> {
    await this.#written
    await this.#flush()
    return this.#position
  }

  closing(indexOffset: number, indexSize: number): Buffer {
    const directory = Buffer.concat(this.#members.map(centralHeader))
    const offset = indexOffset + indexSize
    const [size, count] = [directory.length, this.#members.length]
    return Buffer.concat([directory, endOfDirectory({ offset, size, count, comment: zipComment(offset) })])
  }

  async settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight.map(({ done }) => done))
    await this.#written.catch(() => {})
  }

  #nameOf({ path }: Entry): BytePath {
    return this.#options.renamed?.get(path) ?? path
  }

  #memberOf(entry: Entry, method: 8 | 0, path = this.#nameOf(entry)): ZipMember {
    const below = this.#options.root === '' ? path : `${this.#options.root}/${path}`.replace(/\/$/, '')
    const name = bytesOf(entry.type === 'directory' ? `${below}/` : below)
    return { name, entry, offset: 0, method, crc: 0, size: 0, compressedSize: 0 }
  }

  /** Begins to compress the pieces gathered so far; others can be gathered meanwhile. */
  async #close(last: boolean): Promise<void> {
    const { member, pieces, bytes, isBegun } = this.#current!
    const data = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    this.#current = { member, pieces: [], bytes: 0, isBegun: true }
    const compressed = compressInPool('zip', data, this.#options.level, last)
    compressed.catch(() => {})
    this.#begun++
    await this.#enqueue(bytes, async () => {
      const content = await compressed
      member.compressedSize += content.length
      if (!isBegun) await this.#begin(member)
      this.frames.push({
        offset: this.#position,
        compressedSize: content.length,
        size: bytes,
        checksum: crc32(data),
      })
      await this.#emit(content)
    })
  }

  /** Writes the member's header, with the facts known by now, and puts the member into the directory. */
  async #begin(member: ZipMember): Promise<void> {
    member.offset = this.#position
    this.#members.push(member)
    await this.#emit(localHeader({ ...member, size: Math.max(member.size, sizeOf(member.entry)) }))
  }

  async #store(entry: Entry, data: Buffer = Buffer.alloc(0)): Promise<void> {
    const facts = { crc: crc32(data), size: data.length, compressedSize: data.length }
    await this.#begin(Object.assign(this.#memberOf(entry, 0), facts))
    await this.#emit(data)
  }

  /** Writes the compressed bytes of a file once more. */
  async #copy(entry: Entry, of: ZipMember): Promise<void> {
    const { method, crc, size, compressedSize } = of
    await this.#begin(Object.assign(this.#memberOf(entry, method), { crc, size, compressedSize }))
    await this.#flush()
    const from = of.offset + localHeader(of).length
    for (let done = 0; done < compressedSize; ) {
      const bytes = await this.#options.file.read(Math.min(PIECE, compressedSize - done), from + done)
      await this.#emit(bytes)
      done += bytes.length
    }
  }

  /** Adds to the end of the file. Small pieces are gathered, because there are as many as files. */
  async #emit(data: Buffer): Promise<void> {
    this.#gathered.push(data)
    this.#position += data.length
    if (this.#position - this.#flushed >= GATHERED) await this.#flush()
  }

  async #flush(): Promise<void> {
    const data = Buffer.concat(this.#gathered)
    this.#gathered = []
    await this.#options.file.write(data, this.#flushed)
    this.#flushed = this.#position
  }

  async #rewrite(data: Buffer, position: number): Promise<void> {
    await this.#flush()
    await this.#options.file.write(data, position)
  }

  /** Does the work when all earlier work is done. Waits if too much is on its way. */
  async #enqueue(bytes: number, work: () => Promise<void>): Promise<void> {
    const done = this.#written.then(work)
    // Failures surface when this is awaited, in order. Until then they must not count as unhandled.
    done.catch(() => {})
    this.#written = done
    this.#inFlight.push({ done, bytes })
    while (
      this.#inFlight.length > MOST_FRAMES ||
      this.#inFlight.reduce((sum, other) => sum + other.bytes, 0) > MOST_BYTES
    )
      await this.#inFlight.shift()!.done
  }
}

const sizeOf = (entry: Entry): number => (entry.type === 'file' ? entry.size : 0)
