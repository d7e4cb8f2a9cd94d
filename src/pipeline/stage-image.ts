import type { FileHandle } from 'node:fs/promises'
import { readFrames } from '../archive/reader.ts'
import { noteUse } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { copyImage } from '../image/copy-image.ts'
import { addLease } from '../leases/lease.ts'
import { cutName, LONGEST_NAME } from '../model/file-names.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { ownIdentity } from '../platform/process-identity.ts'
import { fileOf, noteArchive } from '../stage/noted-archive.ts'
import { contentsOf, withNewPlace } from '../stage/place.ts'
import { writeRecord } from '../stage/record.ts'
import { roomForFile } from '../stage/room.ts'
import { noteLocal } from './complete-stage.ts'
import { prepareLocal } from './local.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { isShared, leaseFor } from './share.ts'
import { timed } from './timing.ts'

const ENDING = '.sqfs'

/**
 * image -> a file of its own on the local disk, with its record as the last thing. `prefix` of the result is that file.
 * @throws StageError ARCHIVE_DAMAGED, and as any stage; then nothing of it is left
 */
export async function stageImage(
  { archive, handle }: { archive: string; handle: FileHandle },
  environment: Environment,
  options: Filled<StageOptions>,
): Promise<StageResult> {
  const { uid, onProgress, signal, form } = options
  const { created, head, frames } = await readFrames(archive, handle)
  const facts = await handle.stat({ bigint: true })
  const size = Number(facts.size)
  await noteUse(handle, uid)
  const local = await findLocalFolder({ ...options, needed: roomForFile(size) })
  await prepareLocal(local, options)
  const contents = isShared(options) ? contentsOf(environment.real, created, uid, form) : undefined
  const name = `${cutName(environment.name, LONGEST_NAME - ENDING.length)}${ENDING}`
  const length = Buffer.byteLength(environment.prefix)
  return await withNewPlace({ local, contents, name, length, uid }, async ({ folder, prefix }) => {
    const phase = { kind: 'phase', phase: 'extract', prefix: environment.prefix, archive, target: folder } as const
    await timed(onProgress, phase, () => copyImage({ image: archive, handle, frames, size, to: prefix, signal }))
    await noteArchive(folder, fileOf(facts), head)
    // Nobody may take the stage for one that is not used.
    const lease = await addLease(folder, leaseFor(environment.prefix, options))
    const amount = { files: 1, bytes: size }
    await writeRecord(folder, {
      version: 1,
      original: environment.prefix,
      real: environment.real,
      isPrivate: !isShared(options),
      prefix,
      form: 'image',
      archive: { path: archive, created },
      created: new Date().toISOString(),
      owner: ownIdentity(),
      readOnly: true,
      ...amount,
      digests: {},
    })
    await noteLocal(folder, options)
    const { warnings } = options
    return { original: environment.prefix, prefix, folder, archive, ...amount, lease, others: 0, warnings }
  })
}
