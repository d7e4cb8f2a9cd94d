import type { FileHandle } from 'node:fs/promises'
import { readIndex } from '../archive/reader.ts'
import { noteUse, openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { extract } from '../stage/extract.ts'
import { type IndexBytes, indexBytes } from '../stage/kept-index.ts'
import { fileOf } from '../stage/noted-archive.ts'
import { contentsOf, type WantedPlace, wantedLength, withNewPlace } from '../stage/place.ts'
import { roomFor } from '../stage/room.ts'
import { EqualFiles } from '../store/equal-files.ts'
import { type Damaged, identityOfOpen, isDamage } from './archive-choice.ts'
import { completeStage } from './complete-stage.ts'
import { prepareLocal } from './local.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { otherCopies } from './other-copies.ts'
import { type AloneFacts, isShared, type LeaseFacts } from './share.ts'
import { timed } from './timing.ts'

/**
 * archive -> index -> room -> frames, relocated in memory -> stage, with its record as the last thing.
 * @returns `damaged` if the archive is; then nothing of the stage is left
 */
export async function extractArchive(
  archive: string,
  environment: Environment,
  options: Filled<StageOptions & AloneFacts>,
): Promise<StageResult | { damaged: Damaged }> {
  let handle: FileHandle | undefined
  try {
    handle = await openTrusted(archive, [options.uid, environment.ownerUid])
    return await extractOpenArchive({ archive, handle }, environment, options)
  } catch (error) {
    if (!isDamage(error)) throw error
    return { damaged: { error, identity: handle && (await identityOfOpen(archive, handle).catch(() => undefined)) } }
  } finally {
    if (handle) await closeRead(handle)
  }
}

async function extractOpenArchive(
  { archive, handle }: { archive: string; handle: FileHandle },
  environment: Environment,
  options: Filled<StageOptions & AloneFacts>,
): Promise<StageResult> {
  const { uid, form, alone, base } = options
  if (form === 'image') return (await import('./stage-image.ts')).stageImage({ archive, handle }, environment, options)
  const index = await readIndex(archive, handle)
  // Now, because somebody may cut the archive while it is extracted.
  const bytes = await indexBytes({ archive, handle }, index)
  await noteUse(handle, uid)
  const local = await localFolderFor(index, options)
  await prepareLocal(local, options)
  const contents = isShared(options)
    ? contentsOf(environment.real, index.created, uid, { form, alone, base })
    : undefined
  const file = fileOf(await handle.stat({ bigint: true }))
  return await extractOpen({ archive, file, handle, index, bytes }, { local, contents }, environment, options)
}

/** If there is room nowhere for a whole copy, there may be enough for what other copies on the node don't have. */
async function localFolderFor(
  index: ArchiveIndex,
  options: Filled<StageOptions & AloneFacts>,
): Promise<Awaited<ReturnType<typeof findLocalFolder>>> {
  const { uid, writable, form } = options
  return await findLocalFolder({ ...options, needed: roomFor(index) }).catch(async (error: unknown) => {
    const isFull = error instanceof StageError && (error.code === 'NO_SPACE' || error.code === 'NO_INODES')
    if (!isFull || writable) throw error
    const local = await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 } })
    const copies = await otherCopies(local.real, index, { uid })
    const equal = new EqualFiles(copies, { index, to: form === 'plain' ? undefined : index.prefixes[0] })
    const needed = roomFor(index, (file) => (form === 'plain' || !file.relocation) && equal.of(file)?.isTwin === true)
    return await findLocalFolder({ ...options, path: local.path, needed }).catch(() => {
      throw error
    })
  })
}

interface OpenArchive {
  /** The path that messages and the record have. */
  archive: string
  /** Which file is there, see `fileOf`, if anybody may look there. */
  file?: string | undefined
  handle: FileHandle
  index: ArchiveIndex
  bytes: IndexBytes
}

/** frames, relocated in memory -> stage, with its record as the last thing. */
export async function extractOpen(
  { archive, file, handle, index, bytes }: OpenArchive,
  where: Pick<WantedPlace, 'local' | 'contents' | 'only'>,
  environment: Environment,
  options: Filled<StageOptions & LeaseFacts & AloneFacts>,
): Promise<StageResult> {
  const { onProgress, uid, form, threads, signal } = options
  const readOnly = options.writable !== true
  const wanted = { ...where, name: environment.name, length: wantedLength(index), uid }
  return await withNewPlace(wanted, async (place) => {
    const { folder, prefix } = place
    const copies = readOnly ? await otherCopies(where.local.real, index, { uid }) : []
    const phase = { kind: 'phase', phase: 'extract', prefix: environment.prefix, archive, target: folder } as const
    const result = await timed(onProgress, phase, () =>
      extract({
        archive,
        fd: handle.fd,
        index,
        prefix,
        isPlain: form === 'plain',
        readOnly,
        copies,
        threads,
        onProgress,
        signal,
      }),
    )
    return await completeStage({ place, archive, file, index, bytes, result }, environment, options)
  })
}
