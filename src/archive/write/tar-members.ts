import type { Frame } from '../../model/archive-index.ts'
import type { Entry, FileEntry, RenamedMembers } from '../../model/entry.ts'
import type { Facts, FramePiece, PackedFrame, TakeFrame } from '../../model/item.ts'
import type { Compress, Format } from '../codec.ts'
import { FRAME_ENOUGH, OPENING } from '../format.ts'
import { END_OF_TAR, padding, tarHeader } from '../tar.ts'
import type { Sink } from './file.ts'
import { FramePieces } from './frame-pieces.ts'
import { FrameWriter } from './frame-writer.ts'
import type { TakenOver, TarWriter } from './member-writer.ts'

/** Those whose frames hold the members of a tar. */
export type TarFormat = Exclude<Format, 'zip' | 'sqfs'>

interface TarOptions {
  sink: Sink
  format: TarFormat
  level: number
  threads: number
  /** Folder of the archive in which the environment stands; '' for none. */
  root: string
  renamed?: RenamedMembers | undefined
  compress?: Compress | undefined
  takeFrame?: TakeFrame | undefined
}

/** The members of a tar are one stream. Where it is cut into frames does not depend on where members begin. */
export class TarMembers implements TarWriter {
  readonly #frames: FrameWriter
  readonly #root: string
  readonly #renamed: RenamedMembers | undefined
  readonly #takeFrame: TakeFrame | undefined
  readonly #pieces = new FramePieces()
  #size = 0

  private constructor({ takeFrame, ...options }: TarOptions) {
    this.#takeFrame = takeFrame
    const onFull = takeFrame && ((content: Buffer) => takeFrame(content, this.#pieces.take()))
    this.#frames = new FrameWriter({ ...options, offset: OPENING[options.format].length, onFull })
    this.#root = options.root
    this.#renamed = options.renamed
  }

  static async open(options: TarOptions): Promise<TarMembers> {
    const members = new TarMembers(options)
    await options.sink.write(OPENING[options.format], 0)
    return members
  }

  get frames(): readonly Frame[] {
    return this.#frames.frames
  }

  async beginFile(entry: FileEntry, { beside }: { beside: boolean }): Promise<{ frame: number; offset: number }> {
    this.#size = entry.size
    await this.#frames.begin(tarHeader(entry, this.#root, beside ? undefined : this.#renamed), entry.size)
    const { position } = this.#frames
    if (!beside) this.#pieces.begin(entry, position.offset)
    return position
  }

  append(data: Buffer): Promise<void> {
    return this.#frames.append(data)
  }

  endFile({ relocation }: Facts): Promise<void> {
    // Before the padding, which may fill the frame.
    this.#pieces.end(relocation)
    return this.#frames.append(END_OF_TAR.subarray(0, padding(this.#size)))
  }

  async takeOver(frames: TakenOver): Promise<void> {
    if ('stored' in frames) return void (await this.#frames.copy(frames.stored, frames.frames))
    await this.#frames.cut()
    await this.#frames.append(frames.content)
    await this.#frames.cut()
  }

  async addPacked({ stored, storedChecksum, size, files, content, release }: PackedFrame): Promise<number> {
    const pieces = files.map(({ frameOffset, digest: _, relocation, ...file }): FramePiece => {
      return { file, contentOffset: 0, frameOffset, length: file.size, ...(relocation && { relocation }) }
    })
    const taken = content && this.#takeFrame?.(content, pieces)
    const frame = { offset: 0, compressedSize: stored.length, size, storedChecksum }
    return await this.#frames.copy(stored, [frame], { taken, release })
  }

  /** What follows is different in every archive. In a frame with it, the last files could not be taken over into the next. */
  endFiles(): Promise<void> {
    return this.#frames.cut(FRAME_ENOUGH)
  }

  add(entry: Exclude<Entry, FileEntry>): Promise<void> {
    return this.#frames.begin(tarHeader(entry, this.#root, this.#renamed), 0)
  }

  async finish(): Promise<number> {
    await this.#frames.append(END_OF_TAR)
    return await this.#frames.finish()
  }

  closing(): Buffer {
    return Buffer.alloc(0)
  }

  settle(): Promise<void> {
    return this.#frames.settle()
  }
}
