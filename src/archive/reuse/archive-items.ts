import type { FileHandle } from 'node:fs/promises'
import type { ArchivedFile, ArchiveIndex } from '../../model/archive-index.ts'
import type { ArchiveItem } from '../../model/item.ts'
import { OldArchive } from './old-archive.ts'

/**
 * Everything in an archive, which is read once from front to back. Contents are compared with their digests. Consume each before
 * you ask for the next.
 * @param path for messages
 * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE
 */
export async function* archiveItems(
  path: string,
  handle: FileHandle,
  index: ArchiveIndex,
): AsyncGenerator<ArchiveItem> {
  const archive = new OldArchive(handle, { path, index })
  const files: ArchivedFile[] = []
  for (const entry of index.entries) {
    if (entry.type === 'file') files.push(entry)
    else yield { entry }
  }
  files.sort((a, b) => a.frame - b.frame || a.frameOffset - b.frameOffset)
  for (const file of files) yield archive.item(file)
}
