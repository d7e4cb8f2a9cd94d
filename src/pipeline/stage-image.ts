import type { FileHandle } from 'node:fs/promises'
import { readFrames } from '../archive/reader.ts'
import { noteUse } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { copyImage } from '../image/copy-image.ts'
import { cutName, LONGEST_NAME } from '../model/file-names.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { fileOf, noteArchive } from '../stage/noted-archive.ts'
import { contentsOf, withNewPlace } from '../stage/place.ts'
import { roomForFile } from '../stage/room.ts'
import { publishStage, recordOf } from './complete-stage.ts'
import { prepareLocal } from './local.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { isShared } from './share.ts'

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
  const contents = isShared(options) ? contentsOf(environment.real, created, uid, { form }) : undefined
  const name = `${cutName(environment.name, LONGEST_NAME - ENDING.length)}${ENDING}`
  const length = Buffer.byteLength(environment.prefix)
  return await withNewPlace({ local, contents, name, length, uid }, async ({ folder, prefix }) => {
    onProgress({ kind: 'info', message: `Copying the image ${archive} to ${folder}` })
    await copyImage({ image: archive, handle, frames, size, to: prefix, signal })
    await noteArchive(folder, fileOf(facts), head)
    const source = { path: archive, created }
    const record = recordOf({ prefix, source, files: 1, bytes: size, digests: {} }, environment, options)
    return await publishStage({ folder, record }, environment, options)
  })
}
