import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { isOurs, readHead, readIndex } from '../archive/reader.ts'
import { writeArchive } from '../archive/writer.ts'
import { archiveFolders, publishArchive } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { Image } from '../image/image.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { cutName } from '../model/file-names.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { mkdir } from '../platform/remote-fs.ts'
import { isDamage } from './archive-choice.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { timedInfo } from './timing.ts'

interface Source {
  path: string
  handle: FileHandle
  /** Digest of its index. */
  identity: string
}

/**
 * An archive with the contents of an image, which can be extracted by many threads: made once, in the user's cache folder. The
 * image is read without mounting it.
 * @throws StageError ARCHIVE_DAMAGED, and what writing an archive throws
 */
export async function convertImage(
  { path, handle, identity }: Source,
  environment: Environment,
  options: Filled<PackOptions>,
): Promise<string> {
  const { signal, onProgress } = options
  const folder = archiveFolders(options).at(-1)!
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const place = createHash('sha256').update(environment.real).digest('hex').slice(0, 12)
  const target = join(folder, `${cutName(environment.name, 180)}-${place}-image-${identity.slice(0, 12)}.tar.zst`)
  await publishArchive<true>({
    path: target,
    ...(signal && { signal }),
    already: async () => ((await isSound(target)) ? true : undefined),
    write: async (temporary) => {
      const what = { message: `Unpacking ${path}, once`, what: 'unpacking' }
      await timedInfo(onProgress, what, () => write(temporary, { path, handle }, options))
      return true
    },
  })
  return target
}

/** One that is damaged is made again. */
async function isSound(target: string): Promise<boolean> {
  if (!(await isOurs(target))) return false
  return await readHead(target).then(
    () => true,
    (error: unknown) => {
      if (!isDamage(error)) throw error
      return false
    },
  )
}

async function write(
  to: string,
  { path, handle }: Pick<Source, 'path' | 'handle'>,
  { signal, threads = defaultThreads() }: Filled<PackOptions>,
): Promise<void> {
  const index = await readIndex(path, handle)
  const items = (await Image.open(path, handle, index)).items()
  const header = headerOf(index)
  await writeArchive({ path: to, format: 'tar.zst', level: 1, threads, header, items, ...(signal && { signal }) })
}

const headerOf = ({ name, prefixes, siblings, generator, platform, created, whole }: ArchiveIndex) => ({
  name,
  prefixes,
  ...(siblings && { siblings }),
  generator,
  platform,
  created,
  ...(whole && { whole }),
})
