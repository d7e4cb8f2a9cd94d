import { crc32 } from 'node:zlib'
import type { Frame } from '../../model/archive-index.ts'
import type { Entry, FileEntry } from '../../model/entry.ts'
import { imageSeconds, joinTime } from '../../model/times.ts'
import { FRAME_SIZE } from '../format.ts'
import { END_OF_TAR, padding, tarHeaderForImage } from '../tar.ts'
import type { ArchiveFile } from './file.ts'
import type { TarWriter } from './member-writer.ts'

/** A program that makes an image of a tar stream, in a file that is there already. */
export interface ImageMaker {
  /** The memory may be used again when the promise resolves. */
  write(data: Buffer): Promise<void>
  /** Ends the stream. Resolves when the image is complete. */
  finish(): Promise<void>
  /** Resolves when the program has ended, however it does: after a failure it is stopped. */
  settle(): Promise<void>
}

/** Headers and small files are gathered: a call for each would cost more than the work on it. */
const AT_ONCE = 1024 * 1024
/** The kernel mounts an image from a loop device only if it ends at a border of pages; the index stands behind it. */
const IMAGE_BORDER = 4096

/** The members of a tar, out of which a program makes an image. Its frames are pieces of the image. */
export class ImageMembers implements TarWriter {
  readonly frames: Frame[] = []
  readonly #file: ArchiveFile
  readonly #maker: ImageMaker
  #buffer = Buffer.allocUnsafeSlow(AT_ONCE)
  #spare = Buffer.allocUnsafeSlow(AT_ONCE)
  #used = 0
  #writing: Promise<void> = Promise.resolve()
  #size = 0

  constructor(file: ArchiveFile, maker: ImageMaker) {
    this.#file = file
    this.#maker = maker
  }

  async beginFile(entry: FileEntry): Promise<{ frame: number; offset: number }> {
    this.#size = entry.size
    await this.add(entry)
    return { frame: 0, offset: 0 }
  }

  async append(data: Buffer): Promise<void> {
    for (let taken = 0; taken < data.length; ) {
      const copied = data.copy(this.#buffer, this.#used, taken)
      this.#used += copied
      taken += copied
      if (this.#used === AT_ONCE) await this.#flush()
    }
  }

  async endFile(): Promise<void> {
    await this.append(END_OF_TAR.subarray(0, padding(this.#size)))
  }

  /**
   * With the times that an image can keep: programs treat others in ways of their own. And without `./`, which mksquashfs takes for
   * a folder of that name if it stands alone in the header's field for folders.
   */
  async add(entry: Entry): Promise<void> {
    await this.append(tarHeaderForImage({ ...entry, mtimeNs: joinTime(imageSeconds(entry.mtimeNs), 0) }))
  }

  async takeOver(): Promise<void> {
    throw new TypeError('an image has no frames of another archive')
  }

  async addPacked(): Promise<number> {
    throw new TypeError('an image has no frames of several files')
  }

  async endFiles(): Promise<void> {}

  async finish(): Promise<number> {
    await this.#flush()
    await this.#writing
    // mksquashfs ends at the first of its two blocks. If the second is not in the pipe by then, the pipe breaks. Whether all went
    // well, `finish` says.
    await this.#maker.write(END_OF_TAR).catch(() => {})
    await this.#maker.finish()
    const size = await this.#file.size()
    const end = Math.ceil(size / IMAGE_BORDER) * IMAGE_BORDER
    await this.#file.write(Buffer.alloc(end - size), size)
    for (let offset = 0; offset < end; offset += FRAME_SIZE)
      await this.#addFrame(offset, Math.min(FRAME_SIZE, end - offset))
    return end
  }

  closing(): Buffer {
    return Buffer.alloc(0)
  }

  async settle(): Promise<void> {
    // First: a program that reads no more would never let the writing end.
    await this.#maker.settle()
    await this.#writing.catch(() => {})
  }

  async #flush(): Promise<void> {
    const full = this.#buffer.subarray(0, this.#used)
    await this.#writing
    this.#writing = this.#maker.write(full)
    // It surfaces when it is awaited; until then it must not count as unhandled.
    this.#writing.catch(() => {})
    const buffer = this.#buffer
    this.#buffer = this.#spare
    this.#spare = buffer
    this.#used = 0
  }

  async #addFrame(offset: number, size: number): Promise<void> {
    let checksum = 0
    for (let done = 0; done < size; ) {
      const data = await this.#file.read(size - done, offset + done)
      checksum = crc32(data, checksum)
      done += data.length
    }
    this.frames.push({ offset, compressedSize: size, size, checksum })
  }
}
