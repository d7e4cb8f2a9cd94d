import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { isOurs, readHead, readIndex } from '../archive/reader.ts'
import { writeArchive } from '../archive/writer.ts'
import { archiveFolders, publishArchive } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { Image } from '../image/image.ts'
import { shortHash } from '../model/digest.ts'
import { cutName } from '../model/file-names.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { makeFolders } from '../platform/make-folders.ts'
import { programVersion } from '../platform/program.ts'
import { isDamage } from './archive-choice.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { timedInfo } from './timing.ts'

/**
 * The archive of ours that an image is converted into, once, in the user's cache folder: frames of an image can't be extracted, and
 * what is mounted in the open has to be relocated.
 * @throws StageError ARCHIVE_DAMAGED, ARCHIVE_UNREADABLE, and as writing an archive
 */
export async function convertImage(
  { path, handle }: { path: string; handle: FileHandle },
  { name, real }: Pick<Environment, 'name' | 'real'>,
  { signal, onProgress, threads = defaultThreads(), ...options }: Filled<PackOptions>,
): Promise<string> {
  const { size, mtimeNs } = await handle.stat({ bigint: true })
  const folder = archiveFolders(options).at(-1)!
  await makeFolders(folder, 0o700)
  const target = join(folder, `${cutName(name, 200)}-${shortHash(`${real} ${path} ${size} ${mtimeNs}`)}-image.tar.zst`)
  const stop = signal && { signal }
  return await publishArchive({
    path: target,
    ...stop,
    already: async () => ((await isWhole(target)) ? target : undefined),
    write: (temporary) =>
      timedInfo(onProgress, { message: `Reading the image ${path} ...`, what: 'reading' }, async () => {
        const index = await readIndex(path, handle)
        const { prefixes, siblings, platform, created, whole } = index
        const facts = { name: index.name, prefixes, platform, created, ...(siblings && { siblings }) }
        await writeArchive({
          path: temporary,
          format: 'tar.zst',
          threads,
          header: { ...facts, generator: `conda-stage ${programVersion()}`, ...(whole && { whole }) },
          items: (await Image.open(path, handle, index)).items(),
          ...stop,
        })
        return target
      }),
  })
}

async function isWhole(path: string): Promise<boolean> {
  if (!(await isOurs(path))) return false
  return await readHead(path).then(
    () => true,
    (error: unknown) => {
      if (!isDamage(error)) throw error
      return false
    },
  )
}
