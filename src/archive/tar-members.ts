import type { Frame } from '../model/archive-index.ts'
import type { Entry, FileEntry } from '../model/entry.ts'
import { FRAME_ENOUGH, OPENING } from './format.ts'
import { FrameWriter, writeAll } from './frames.ts'
import type { MemberOptions, MemberWriter, TakenOver } from './members.ts'
import { END_OF_TAR, padding, tarHeader } from './tar.ts'

/** Members of a tar stream, which is compressed in frames that don't care for members. */
export class TarMembers implements MemberWriter {
  readonly foldersFirst = false
  readonly #frames: FrameWriter
  readonly #root: string
  #size = 0

  private constructor(options: MemberOptions) {
    this.#frames = new FrameWriter({ ...options, offset: OPENING[options.format].length })
    this.#root = options.root
  }

  static async open(options: MemberOptions): Promise<TarMembers> {
    const members = new TarMembers(options)
    await writeAll(options.handle, options.path, OPENING[options.format], 0)
    return members
  }

  get frames(): readonly Frame[] {
    return this.#frames.frames
  }

  async beginFile(entry: FileEntry): Promise<{ frame: number; offset: number }> {
    this.#size = entry.size
    await this.#frames.begin(tarHeader(entry, this.#root), entry.size)
    return this.#frames.position
  }

  append(data: Buffer): Promise<void> {
    return this.#frames.append(data)
  }

  endFile(): Promise<void> {
    return this.#frames.append(END_OF_TAR.subarray(0, padding(this.#size)))
  }

  async takeOver(frames: TakenOver): Promise<void> {
    if ('stored' in frames) return await this.#frames.copy(frames.stored, frames.frames)
    await this.#frames.cut()
    await this.#frames.append(frames.content)
    await this.#frames.cut()
  }

  /** What follows differs in every archive, and must not keep the last files from being taken over into the next. */
  endFiles(): Promise<void> {
    return this.#frames.cut(FRAME_ENOUGH)
  }

  add(entry: Exclude<Entry, FileEntry>): Promise<void> {
    return this.#frames.begin(tarHeader(entry, this.#root), 0)
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
