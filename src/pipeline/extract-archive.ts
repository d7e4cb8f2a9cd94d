import { readIndex } from '../archive/reader.ts'
import { noteUse, openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { extract } from '../stage/extract.ts'
import { wantedLength, withNewPlace } from '../stage/place.ts'
import { indexBytes } from '../stage/record.ts'
import { roomFor } from '../stage/room.ts'
import { type Damaged, identityOf, isDamage } from './archive-choice.ts'
import { completeStage } from './complete-stage.ts'
import { prepareLocal } from './local.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { timed } from './timing.ts'

/**
 * archive -> index -> room -> frames, relocated in memory -> stage, with its record as the last thing.
 * @returns `damaged` if the archive is; then nothing of the stage is left
 */
export async function extractArchive(
  archive: string,
  environment: Environment,
  options: Filled<StageOptions>,
): Promise<StageResult | { damaged: Damaged }> {
  const { onProgress, uid, threads, signal } = options
  const readOnly = options.writable !== true
  const handle = await openTrusted(archive, [uid, environment.ownerUid])
  try {
    const index = await readIndex(archive, handle)
    await noteUse(handle, uid)
    const local = await findLocalFolder({ ...options, needed: roomFor(index) })
    await prepareLocal(local, options)
    return await withNewPlace({ local, name: environment.name, length: wantedLength(index), uid }, async (place) => {
      const { folder, prefix } = place
      const phase = { kind: 'phase', phase: 'extract', prefix: environment.prefix, archive, target: folder } as const
      const result = await timed(onProgress, phase, () =>
        extract({ archive, fd: handle.fd, index, prefix, readOnly, threads, onProgress, signal }),
      )
      const bytes = await indexBytes(handle, index)
      return await completeStage({ place, archive, index, bytes, result }, environment, options)
    })
  } catch (error) {
    if (!isDamage(error)) throw error
    return { damaged: { error, identity: identityOf(await handle.stat({ bigint: true })) } }
  } finally {
    await handle.close()
  }
}
