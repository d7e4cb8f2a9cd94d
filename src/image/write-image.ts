import { readIndex } from '../archive/reader.ts'
import { writeArchive } from '../archive/writer.ts'
import { StageError } from '../errors.ts'
import type { ArchivedEntry } from '../model/archive-index.ts'
import { displayPath } from '../model/byte-path.ts'
import { closeRead } from '../platform/close.ts'
import { open, unlink } from '../platform/remote-fs.ts'
import { Image } from './image.ts'
import { imageMaker, type MakerOptions } from './image-programs.ts'
import { OTHER_PROGRAM } from './program.ts'

/**
 * Gives what writes images, in place of `writeArchive`: a program makes a squashfs of a tar of the items, and our index goes behind
 * it. Nothing is added for people who unpack an archive. Then what stands in the image is compared with the index: programs skip
 * what they can't read or don't understand, and some say so to nobody. The contents are the same bytes that went into the
 * program's pipe, so that they are left to `--verify`.
 * @throws StageError NO_PROGRAM; the function also throws IMAGE_FAILED, and otherwise as `writeArchive`
 */
export async function imageWriter(maker: MakerOptions): Promise<typeof writeArchive> {
  const makeImage = await imageMaker(maker)
  return async ({ path, besides: _, renamed: __, ...options }) => {
    const written = await writeArchive({ ...options, path, format: 'sqfs', makeImage })
    try {
      await assertAsPacked(path!)
      return written
    } catch (error) {
      await unlink(path!).catch(() => {})
      throw error
    }
  }
}

/**
 * Compares what stands in an image with what was packed.
 * @param packed if that is something else than its index says
 * @throws StageError IMAGE_FAILED
 */
export async function assertAsPacked(path: string, packed?: readonly ArchivedEntry[]): Promise<void> {
  const why = await wrongIn(path, packed).catch((error: unknown) => {
    if (error instanceof StageError && error.code === 'ARCHIVE_DAMAGED') return error.message
    throw error
  })
  if (why === undefined) return
  throw new StageError('IMAGE_FAILED', `The image ${path} is not what was packed: ${why}`, {
    path,
    hint: OTHER_PROGRAM,
  })
}

async function wrongIn(path: string, packed?: readonly ArchivedEntry[]): Promise<string | undefined> {
  const handle = await open(path, 'r')
  try {
    const index = await readIndex(path, handle)
    const image = await Image.open(path, handle, packed ? { ...index, entries: [...packed] } : index)
    const [first, ...others] = image.differences()
    if (first === undefined) return undefined
    return `${displayPath(first.path) || 'its top'} ${first.why}${others.length === 0 ? '' : `, and ${others.length} more`}`
  } finally {
    await closeRead(handle)
  }
}
