import { crc32 } from 'node:zlib'
import { compressSync } from '../archive/codec.ts'
import { FRAME_SIZE } from '../archive/format.ts'
import { padding, tarHeader } from '../archive/tar.ts'
import { factsOfWhole, fileEntry } from '../inventory/facts.ts'
import { quickMs } from '../inventory/file-opener.ts'
import { mayVanish } from '../inventory/list.ts'
import { type FileFacts, OpenFileSync } from '../inventory/open-file.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Facts } from '../model/item.ts'
import type { ListedName } from '../model/listed.ts'
import { utimesSeconds } from '../model/times.ts'
import { Pace } from '../platform/pace.ts'
import { ownsMemory } from '../platform/release.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import { CopyFinisher } from './finish-copies.ts'
import { factsAt, type PackedFile, type PackedFiles } from './packed-files.ts'
import type { CopiesReport, Packed, PackOrder, Reading } from './protocol.ts'

type Stopped = NonNullable<PackedFiles['stopped']>

/** Packs files one after another: each is read into the frame, then hashed and scanned while it is in the CPU's cache. */
export class FilePacker {
  readonly #pace = new Pace()
  readonly #stop: Int32Array
  /** For frames that nobody else looks at. */
  #memory: ArrayBuffer | undefined

  /** @param stop becomes 1 when nobody waits for what is packed */
  constructor(stop: Int32Array) {
    this.#stop = stop
  }

  /**
   * Packs as many of the files as go into one frame and can be read at once.
   * @throws StageError UNREADABLE, CHANGED; zlib's errors
   */
  pack(order: PackOrder & Reading): Packed {
    this.#memory ??= new ArrayBuffer(FRAME_SIZE)
    const frame = new FrameOfFiles(order, Buffer.from(order.content ?? this.#memory))
    const stopped = this.#fill(frame, order)
    order.reading[0] = -1
    const { files, content, copies } = frame
    const stored = content.length > 0 ? compressSync(order.format, content, order.level) : Buffer.alloc(0)
    return {
      files,
      ...(stopped && { stopped }),
      size: content.length,
      stored: ownsMemory(stored) ? stored : new Uint8Array(stored),
      storedChecksum: crc32(stored),
      ...(copies && { copies }),
    }
  }

  #fill(frame: FrameOfFiles, { files, copied, reading }: PackOrder & Reading): Stopped | undefined {
    for (const [at, file] of files.entries()) {
      if (!copied) reading[0] = at
      if (Atomics.load(this.#stop, 0) === 1) throw new Error('nobody waits for this frame any more')
      const stopped = copied ? frame.addCopy(file) : this.#pace.isQuick ? frame.add(file, this.#pace) : 'slow'
      if (stopped) return stopped
    }
  }
}

/** What became of a file: it has vanished, is a further name, is in the frame, or stands in the way of filling it. */
type ReadFile = { facts?: FileFacts; content?: Buffer } | Stopped

/** A frame that is being filled with whole members. */
class FrameOfFiles {
  readonly files: PackedFile[] = []
  readonly #order: PackOrder
  readonly #buffer: Buffer
  readonly #inodes = new Set<string>()
  readonly #copies: CopyFinisher | undefined
  #used = 0

  constructor(order: PackOrder, buffer: Buffer) {
    this.#order = order
    this.#buffer = buffer
    this.#copies = order.copied && new CopyFinisher(order.copied)
  }

  get copies(): CopiesReport | undefined {
    return this.#copies?.report
  }

  get content(): Buffer {
    return this.#buffer.subarray(0, this.#used)
  }

  /** @returns why the file is not in the frame, and no further one can be; `undefined` if it is done with */
  add(name: ListedName, pace: Pace): Stopped | undefined {
    const read = pace.measure(
      () => this.#read(name),
      (read) => quickMs(typeof read === 'string' ? 0 : (read.content?.length ?? 0)),
    )
    if (typeof read === 'string') return read
    const { facts, content } = read
    if (facts?.inode !== undefined) this.#inodes.add(facts.inode)
    if (facts === undefined) this.files.push({})
    else if (content === undefined) this.files.push({ facts })
    else this.#push(name, facts, content)
  }

  /**
   * The same with a copy, which is then made what the stage needs. There is room for it. If the copy is lost, the original has to
   * be read.
   */
  addCopy(name: ListedName): Stopped | undefined {
    const { facts, stagedMode } = factsAt(this.#order.copied!.facts, this.files.length)
    const content = this.#place(tarHeader(fileEntry(name, facts), this.#order.root, this.#order.renamed), facts.size)
    const isRead = this.#copies!.withCopy(name.path, content, () => {
      const { relocation } = this.#push(name, facts, content)
      return { mode: stagedMode, mtime: utimesSeconds(facts.mtimeNs), relocation }
    })
    return isRead ? undefined : 'file'
  }

  /** Hashes and scans what is in the frame. */
  #push(name: ListedName, facts: FileFacts, content: Buffer): Facts {
    const { prefixes, siblings } = this.#order
    const frameOffset = this.#end(content)
    const scanner = new PrefixScanner(prefixes, { ...name, size: facts.size }, siblings)
    const found = factsOfWhole(content, scanner)
    this.files.push({ facts, content: { frameOffset, ...found } })
    return found
  }

  /** Reads the file to the place in the frame that comes next. */
  #read(name: ListedName): ReadFile {
    const file = this.#open(name.path)
    if (file === undefined) return {}
    try {
      const { facts, isSettled } = file
      if (facts.size > FRAME_SIZE || !isSettled) return 'file'
      if (this.#isKnown(facts)) return { facts }
      const header = tarHeader(fileEntry(name, facts), this.#order.root, this.#order.renamed)
      if (header.length + facts.size + padding(facts.size) > FRAME_SIZE - this.#used)
        return this.#used > 0 ? 'full' : 'file'
      const content = this.#place(header, facts.size)
      file.readInto(content)
      return { facts, content }
    } finally {
      file.close()
    }
  }

  /** The place in the frame for a file's content, behind its header. */
  #place(header: Buffer, size: number): Buffer {
    header.copy(this.#buffer, this.#used)
    const start = this.#used + header.length
    return this.#buffer.subarray(start, start + size)
  }

  /** `undefined` if the file has vanished and may do so. */
  #open(path: BytePath): OpenFileSync | undefined {
    try {
      return OpenFileSync.open({ prefix: this.#order.prefix, path })
    } catch (error) {
      if (!mayVanish(path, error)) throw error
    }
  }

  /** Whether the content is in the archive already, or in this frame. */
  #isKnown({ inode }: FileFacts): boolean {
    return this.#order.links.includes(this.files.length) || (inode !== undefined && this.#inodes.has(inode))
  }

  /** Counts the member in. Gives the offset of its content. */
  #end(content: Buffer): number {
    const offset = content.byteOffset - this.#buffer.byteOffset
    this.#used = offset + content.length + padding(content.length)
    this.#buffer.fill(0, offset + content.length, this.#used)
    return offset
  }
}
