import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { asReadFailure, damaged } from '../archive/failure.ts'
import { StageError } from '../errors.ts'
import type { Frame } from '../model/archive-index.ts'

/** Blocks on their way. A file server gives all its bandwidth to several requests at once, and to one it does not. */
const AT_ONCE = 8
/** What network file systems ask for at once. Memory of this size is used again while it is in the CPU's cache. */
const BLOCK = 1024 * 1024

export interface CopyOptions {
  /** Where the image stands, for messages. */
  image: string
  handle: FileHandle
  frames: readonly Frame[]
  /** Bytes of the file. */
  size: number
  /** Nothing may stand there. */
  to: string
  signal?: AbortSignal | undefined
}

/**
 * Copies an image, with its index. Each piece is compared with its checksum on its way: CRC-32 takes in 4 GB a second, which costs
 * a twentieth of what writing does, and finds what a disk or a server got wrong. Whoever means harm could not have written the file.
 * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE, CANCELLED; what writing throws comes through
 */
export async function copyImage({ image, handle, frames, size, to, signal }: CopyOptions): Promise<void> {
  const last = frames.at(-1)!
  const end = last.offset + last.compressedSize
  // Its sections have checksums of their own, which whoever reads them compares.
  const pieces: Pick<Frame, 'offset' | 'compressedSize' | 'checksum'>[] = [
    ...frames,
    { offset: end, compressedSize: size - end },
  ]
  const target = await open(to, 'wx', 0o400)
  let next = 0
  const copy = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(BLOCK)
    for (let piece = pieces[next++]; piece !== undefined; piece = pieces[next++]) {
      const { offset, compressedSize, checksum } = piece
      let found = 0
      for (let done = 0; done < compressedSize; ) {
        if (signal?.aborted)
          throw new StageError('CANCELLED', `Copying ${image} was cancelled`, { path: image, cause: signal.reason })
        const data = await readSome(handle, buffer.subarray(0, compressedSize - done), { image, offset: offset + done })
        found = crc32(data, found)
        await writeAll(target, data, offset + done)
        done += data.length
      }
      if (checksum !== undefined && found !== checksum)
        throw damaged(image, `the checksum of its frame at byte ${offset} is wrong`)
    }
  }
  try {
    const copies = Array.from({ length: AT_ONCE }, copy)
    // All of them end before the file is closed.
    const results = await Promise.allSettled(copies)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
  } finally {
    await target.close()
  }
}

async function writeAll(target: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await target.write(data, done, data.length - done, position + done)
    done += bytesWritten
  }
}

async function readSome(
  handle: FileHandle,
  into: Buffer,
  { image, offset }: { image: string; offset: number },
): Promise<Buffer> {
  const reading = handle.read(into, 0, into.length, offset)
  const { bytesRead } = await reading.catch((error: unknown) => {
    throw asReadFailure(error, image)
  })
  if (bytesRead === 0) throw damaged(image, 'it is shorter than its index says')
  return into.subarray(0, bytesRead)
}
