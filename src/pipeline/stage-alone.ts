import { rmdir, unlink } from 'node:fs/promises'
import { inTurn } from '../leases/turn.ts'
import { findLocalFolder, suitableFolders } from '../platform/local-disk.ts'
import { assertStageable } from '../stage/place.ts'
import { sweepDebris } from '../stage/sweep.ts'
import { type AloneArchive, openAlone } from './alone.ts'
import { extractArchive } from './extract-archive.ts'
import { joinStage, lookAt, sharedStages } from './join-stage.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { type AloneFacts, isShared } from './share.ts'
import { turnFor } from './share-stage.ts'

type Options = Filled<StageOptions & AloneFacts>

/**
 * A copy of an archive alone: one of the same contents that is there already, or a new one. The original is not looked at.
 * @throws StageError as openAlone and stage(); then nothing is left on the local disk
 */
export async function stageAlone(given: Filled<StageOptions>): Promise<StageResult> {
  const source = await openAlone(given)
  const { environment, alone } = source
  const aloneArchive = { path: source.archive, created: source.created }
  const options = { ...given, alone, aloneArchive }
  const { onProgress } = options
  onProgress({
    kind: 'phase',
    phase: 'stage',
    prefix: environment.prefix,
    environment: environment.kind,
    archive: source.archive,
  })
  assertStageable(environment.name)
  if (options.form !== 'mount') return await copyOf(source, options)
  const { stageMounted } = await import('./mount-stage.ts')
  return await stageMounted(environment, options, () => copyOf(source, { ...options, form: 'tree' }))
}

async function copyOf(source: AloneArchive, options: Options): Promise<StageResult> {
  const { environment } = source
  const local = await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 } })
  try {
    if (!isShared(options)) return await extracted(source, options)
    return await inTurn(turnFor(environment, local, options), {
      already: () => joined(source, options),
      body: () => extracted(source, options),
    })
  } catch (error) {
    if (local.created) await rmdir(local.real).catch(() => {})
    throw error
  }
}

async function joined({ environment, created }: AloneArchive, options: Options): Promise<StageResult | undefined> {
  const folders = (await suitableFolders(options)).map(({ real }) => real)
  const stages = await sharedStages(environment, folders, options)
  const wanted = { environment, created, damaged: new Set<string>(), looks: lookAt(stages) }
  const found = await joinStage(stages, wanted, options)
  if (found) for (const folder of folders) await sweepDebris(folder, options)
  return found
}

/** A damaged archive that was converted is made again, once. There is nothing else from which one could be written again. */
async function extracted({ archive, environment, isConverted }: AloneArchive, options: Options): Promise<StageResult> {
  const staged = await extractArchive(archive, environment, options)
  if (!('damaged' in staged)) return staged
  const { error } = staged.damaged
  if (!isConverted) throw error
  options.onProgress({ kind: 'warning', message: `${error.message}. Converting ${options.archive} again` })
  await unlink(archive)
  const again = await openAlone(options)
  const result = await extractArchive(again.archive, again.environment, options)
  if ('damaged' in result) throw result.damaged.error
  return result
}
