import type { FileHandle } from 'node:fs/promises'
import type { ArchiveFinding } from '../archive/verify/finding.ts'
import { StageError } from '../errors.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { Image } from './image.ts'

interface VerifyOptions {
  /** Program and version that verify. */
  generator: string
  onChecked(files: number): void
  signal?: AbortSignal | undefined
}

/**
 * Compares what whoever mounts an image sees with its index: names, types, modes, times, links, all contents, and the places of the
 * prefix. It is read without mounting it, by nobody's program but this one.
 * @throws StageError ARCHIVE_UNREADABLE, CANCELLED
 */
export async function verifyImage(
  path: string,
  handle: FileHandle,
  index: ArchiveIndex,
  { generator, onChecked, signal }: VerifyOptions,
): Promise<ArchiveFinding[]> {
  const checked = (files: number): void => {
    if (signal?.aborted)
      throw new StageError('CANCELLED', `Verifying ${path} was cancelled`, { path, cause: signal.reason })
    onChecked(files)
  }
  try {
    const image = await Image.open(path, handle, index)
    return [...image.differences(), ...(await image.contentFindings(generator, checked))]
  } catch (error) {
    if (!(error instanceof StageError) || error.code !== 'ARCHIVE_DAMAGED') throw error
    return [{ path: '', kind: 'archive', why: error.message, harmless: false }]
  }
}
