import type { FileHandle } from 'node:fs/promises'
import { DEFAULT_LEVEL } from '../archive/codec.ts'
import { readIndex } from '../archive/reader.ts'
import { archiveItems } from '../archive/reuse/archive-items.ts'
import type { writeArchive } from '../archive/writer.ts'
import { openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { imageWriter } from '../image/write-image.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { type Choice, chooseArchive, isDamage } from './archive-choice.ts'
import { archiveHeader, wholeFacts } from './archive-header.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { writeEnvironment } from './write-archive.ts'

type Options = Filled<PackOptions>
type Writer = typeof writeArchive

/**
 * Writes an image of the environment: from its archive if that is fresh, which spares the original, else by reading the original.
 * @throws StageError NO_PROGRAM, IMAGE_FAILED, and as writing an archive
 */
export async function packImage(
  path: string,
  environment: Environment,
  { candidates }: Pick<Choice, 'candidates'>,
  options: Options,
): Promise<void> {
  const { env, signal, threads = defaultThreads(), compressLevel: level = DEFAULT_LEVEL.sqfs } = options
  const writer = await imageWriter({
    env,
    without: [environment.prefix],
    level: Math.max(1, level),
    threads,
    localFolder: async () => (await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 } })).real,
    signal,
  })
  if (await fromArchive(path, environment, writer, options)) return
  await writeEnvironment(path, { environment, candidates, writer }, { ...options, threads })
}

/** False if there is no fresh archive, or it turns out to be damaged. */
async function fromArchive(path: string, environment: Environment, write: Writer, options: Options): Promise<boolean> {
  const { onProgress, signal, threads = defaultThreads() } = options
  const open = await openFresh(environment, options)
  if (open === undefined) return false
  const { archive, handle } = open
  try {
    const index = await readIndex(archive, handle)
    onProgress({ kind: 'detail', message: `Making the image from ${archive}` })
    const items = archiveItems(archive, handle, index)
    const header = { ...archiveHeader(environment), ...searchOf(index), ...wholeFacts(options) }
    await write({ path, format: 'sqfs', threads, header, items, ...(signal && { signal }) })
    return true
  } catch (error) {
    if (!isDamage(error) || error.path !== archive) throw error
    onProgress({ kind: 'warning', message: `${error.message}. Reading the environment instead` })
    return false
  } finally {
    await closeRead(handle)
  }
}

/** By what the places of the prefix were found: the image takes them over. */
const searchOf = ({ prefixes, siblings }: ArchiveIndex): Pick<ArchiveIndex, 'prefixes' | 'siblings'> => ({
  prefixes,
  ...(siblings && { siblings }),
})

/** The environment's archive. Whatever is wrong with it only means that the environment is read. */
async function openFresh(
  environment: Environment,
  { output: _, ...options }: Options,
): Promise<{ archive: string; handle: FileHandle } | undefined> {
  if (options.force) return undefined
  try {
    const { fresh: archive } = await chooseArchive(environment, { ...options, format: 'tar.zst' })
    if (archive === undefined) return undefined
    return { archive, handle: await openTrusted(archive, [options.uid, environment.ownerUid]) }
  } catch (error) {
    if (error instanceof StageError && error.code !== 'CANCELLED') return undefined
    throw error
  }
}
