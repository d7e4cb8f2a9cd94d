import { crc32 } from 'node:zlib'
import { compressSync } from '../archive/codec.ts'
import { FRAME_SIZE } from '../archive/format.ts'
import { padding, tarHeader } from '../archive/tar.ts'
import { factsOfWhole, fileEntry } from '../inventory/facts.ts'
import { mayVanish } from '../inventory/list.ts'
import { type FileFacts, quickMs, readFileSync } from '../inventory/read-file.ts'
import type { ListedName } from '../model/listed.ts'
import { Pace } from '../platform/pace.ts'
import { ownsMemory } from '../platform/release.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import type { PackedFile, PackedFiles } from './packed-files.ts'
import type { PackOrder } from './protocol.ts'

/** Packs files one after another: each is read into the frame, hashed and looked through while it is in the CPU's cache. */
export class FilePacker {
  readonly #pace = new Pace()
  /** For frames that nobody else looks at. */
  #memory: ArrayBuffer | undefined

  /**
   * As many of the files as go into one frame, and as can be read at once.
   * @throws StageError UNREADABLE, CHANGED; zlib's errors
   */
  pack(order: PackOrder): PackedFiles {
    this.#memory ??= new ArrayBuffer(FRAME_SIZE)
    const frame = new FrameOfFiles(order, Buffer.from(order.content ?? this.#memory))
    while (frame.next !== undefined && frame.stopped === undefined) {
      if (!this.#pace.isQuick) frame.stopped = 'slow'
      else frame.add(frame.next, this.#pace)
    }
    const content = frame.content
    const stored = content.length > 0 ? compressSync(order.format, content, order.level) : Buffer.alloc(0)
    return {
      files: frame.files,
      ...(frame.stopped && { stopped: frame.stopped }),
      size: content.length,
      stored: ownsMemory(stored) ? stored : new Uint8Array(stored),
      storedChecksum: crc32(stored),
    }
  }
}

/** A frame being filled with whole members. */
class FrameOfFiles {
  readonly files: PackedFile[] = []
  stopped: PackedFiles['stopped']
  readonly #order: PackOrder
  readonly #buffer: Buffer
  readonly #inodes = new Set<string>()
  #used = 0

  constructor(order: PackOrder, buffer: Buffer) {
    this.#order = order
    this.#buffer = buffer
  }

  get next(): ListedName | undefined {
    return this.#order.files[this.files.length]
  }

  get content(): Buffer {
    return this.#buffer.subarray(0, this.#used)
  }

  add(name: ListedName, pace: Pace): void {
    const { prefix, prefixes, siblings, mayBeMissing } = this.#order
    let found: FileFacts | undefined
    let header: Buffer | undefined
    const wanted = (facts: FileFacts): boolean => {
      found = facts
      if (this.#isKnown(facts)) return false
      header = tarHeader(fileEntry(name, facts), this.#order.root)
      const fits = header.length + facts.size + padding(facts.size) <= FRAME_SIZE - this.#used
      if (!fits) this.stopped = this.#used > 0 ? 'full' : 'file'
      return fits
    }
    const slabs = { allocate: (size: number) => this.#begin(header!, size) }
    try {
      const place = { prefix, path: name.path, slabs }
      const read = pace.measure(
        () => readFileSync(place, wanted, FRAME_SIZE),
        () => quickMs(found?.size ?? 0),
      )
      if (read === undefined) this.stopped = 'file'
      if (read === undefined || this.stopped) return
      const { facts, content } = read
      const isKnown = this.#isKnown(facts)
      if (facts.inode !== undefined) this.#inodes.add(facts.inode)
      if (isKnown) return void this.files.push({ facts })
      const frameOffset = this.#end(content)
      const scanner = new PrefixScanner(prefixes, { ...name, size: facts.size }, siblings)
      this.files.push({ facts, content: { frameOffset, ...factsOfWhole(content, scanner) } })
    } catch (error) {
      const isGone = found === undefined && (mayBeMissing || mayVanish(name.path, error))
      if (!isGone) throw error
      this.files.push({})
    }
  }

  /** As a file whose content is in the archive already, or in this frame. */
  #isKnown({ inode }: FileFacts): boolean {
    return this.#order.links.includes(this.files.length) || (inode !== undefined && this.#inodes.has(inode))
  }

  #begin(header: Buffer, size: number): Buffer<ArrayBuffer> {
    header.copy(this.#buffer, this.#used)
    const start = this.#used + header.length
    return this.#buffer.subarray(start, start + size) as Buffer<ArrayBuffer>
  }

  /** Counts the member in. Gives the offset of its content. */
  #end(content: Buffer): number {
    const offset = content.byteOffset - this.#buffer.byteOffset
    this.#used = offset + content.length + padding(content.length)
    this.#buffer.fill(0, offset + content.length, this.#used)
    return offset
  }
}
