import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { asReadFailure, damaged } from '../archive/failure.ts'
import { OPENING } from '../archive/format.ts'
import { indexOffset, readHead, readIndex, readStored, type Source } from '../archive/reader.ts'
import type { ArchiveHead, ArchiveIndex } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { INDEX } from './names.ts'

/** The beginning and the end of an archive, without its frames. */
export interface IndexBytes {
  start: Buffer
  end: { offset: number; data: Buffer }
}

/** Those of an image, of which no more is read than its head. @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE */
export async function imageIndexBytes(archive: string, handle: FileHandle, size: number): Promise<IndexBytes> {
  const offset = await indexOffset(archive, handle)
  const data = await readStored(handle.fd, { path: archive }, { offset, compressedSize: size - offset })
  return { start: OPENING.sqfs, end: { offset, data } }
}

/** More than any index has, so that a file that somebody makes larger does not take all memory. */
const MOST_BYTES = 1024 ** 3

/** @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE */
export async function indexBytes(
  { archive, handle }: { archive: string; handle: FileHandle },
  { frames }: ArchiveIndex,
): Promise<IndexBytes> {
  const { size } = await handle.stat().catch((error: unknown) => {
    throw asReadFailure(error, archive)
  })
  const last = frames.at(-1)!
  const read = (from: number, to: number): Promise<Buffer> =>
    readStored(handle.fd, { path: archive }, { offset: from, compressedSize: to - from })
  const offset = last.offset + last.compressedSize
  if (size <= offset || size - offset > MOST_BYTES) throw damaged(archive, 'its size is not what its end says')
  return { start: await read(0, frames[0]!.offset), end: { offset, data: await read(offset, size) } }
}

/** Begins the file of a kept index. Behind it stand two numbers of 8 bytes: where the end began, and the size of the start. */
const MAGIC = Buffer.from('CSTAGEKI')
const HEAD = MAGIC.length + 16

/**
 * Keeps the archive's index with the stage for verify(), because the archive may be rebuilt or removed. There is no hole in
 * place of the frames: a limit of file sizes (ulimit -f) counts holes, too.
 */
export async function keepIndex({ start, end }: IndexBytes, folder: string): Promise<void> {
  const numbers = Buffer.alloc(16)
  numbers.writeBigUInt64LE(BigInt(end.offset), 0)
  numbers.writeBigUInt64LE(BigInt(start.length), 8)
  await writeFile(`${folder}/${INDEX}`, Buffer.concat([MAGIC, numbers, start, end.data]), { flag: 'wx', mode: 0o600 })
}

/** @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE, ARCHIVE_FOREIGN */
export const readKeptIndex = (folder: string): Promise<ArchiveIndex> => withKept(folder, readIndex)

/** The part that the quick check needs. Errors: as readKeptIndex. */
export const readKeptHead = (folder: string): Promise<ArchiveHead> => withKept(folder, readHead)

async function withKept<T>(folder: string, read: (path: string, source: Source) => Promise<T>): Promise<T> {
  const file = `${folder}/${INDEX}`
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw asReadFailure(error, file)
  })
  try {
    return await read(file, await unfolded(file, handle))
  } finally {
    await closeRead(handle)
  }
}

/** The archive as it was, with zeros in place of the frames. Earlier versions kept it so, with a hole. */
async function unfolded(path: string, file: Source): Promise<Source> {
  const head = Buffer.alloc(HEAD)
  await file.read(head, 0, HEAD, 0).catch(() => {})
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) return file
  const [endsAt, startSize] = [8, 16].map((at) => Number(head.readBigUInt64LE(at))) as [number, number]
  const removed = endsAt - startSize
  if (removed < 0 || !Number.isSafeInteger(endsAt)) throw damaged(path, 'its beginning is not what was written')
  return {
    async stat() {
      const facts = await file.stat()
      return { size: facts.size - HEAD + removed, isFile: () => facts.isFile() }
    },
    async read(into, offset, length, position) {
      if (position >= endsAt) return await file.read(into, offset, length, position - removed + HEAD)
      if (position < startSize)
        return await file.read(into, offset, Math.min(length, startSize - position), position + HEAD)
      const zeros = Math.min(length, endsAt - position)
      into.fill(0, offset, offset + zeros)
      return { bytesRead: zeros }
    },
  }
}
