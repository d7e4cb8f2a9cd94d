import type { BigIntStats } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { decodeOwnHead } from '../archive/index/head.ts'
import type { ArchiveHead } from '../model/archive-index.ts'
import { readLocal } from '../platform/read-small.ts'
import { ARCHIVE } from './names.ts'

/** The archive of a stage, as it was when the stage was made. */
export interface NotedArchive {
  /** See `fileOf`. */
  file: string
  /** What the quick check needs of it. */
  head: Omit<ArchiveHead, 'version' | 'format'>
}

/** Bytes. */
const MOST = 16 * 1024 * 1024

/** Which file it is, for any node: device numbers differ between them. Archives are never modified, only replaced. */
export const fileOf = ({ ino, size, mtimeNs }: Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs'>): string =>
  `${ino} ${size} ${mtimeNs}`

/**
 * Notes the archive with its stage. Then whoever joins need not read it, as long as it is the same file: that saves an open and
 * three reads of the file server, and unpacking.
 * @param head as `encodeHead` makes it
 */
export async function noteArchive(folder: string, file: string, head: Buffer): Promise<void> {
  const aside = `${folder}/${ARCHIVE}.new`
  await writeFile(aside, Buffer.concat([Buffer.from(`${file}\n`), head]), { mode: 0o600 })
  await rename(aside, `${folder}/${ARCHIVE}`)
}

/** undefined if nothing was noted, or nothing that makes sense. */
export async function readNotedArchive(folder: string): Promise<NotedArchive | undefined> {
  try {
    const bytes = await readLocal(`${folder}/${ARCHIVE}`, MOST)
    const end = bytes.indexOf('\n')
    return { file: bytes.toString('latin1', 0, end), head: decodeOwnHead(bytes.subarray(end + 1)) }
  } catch {
    return undefined
  }
}
