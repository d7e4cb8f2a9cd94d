import { readHead } from '../archive/reader.ts'
import type { Environment } from '../environment/find.ts'
import { type Damaged, isDamage } from './archive-choice.ts'
import { archiveFor } from './archive-for.ts'
import { extractArchive } from './extract-archive.ts'
import { joinStage, lookAt, sharedStages } from './join-stage.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import type { Packed } from './pack-unless-fresh.ts'
import { beginPayback } from './payback.ts'
import { tellIfBaseIsSlow } from './slow-base.ts'

/** Where stages of the same contents may be. */
export interface Shared {
  /** Local folders. */
  folders: readonly string[]
  /** Folders of stages that are known to be damaged. */
  damaged: Set<string>
}

/**
 * A stage from the archive that is there or is being written. An archive that proves to be damaged is written again, once.
 */
export async function stageFromArchive(
  environment: Environment,
  options: Filled<StageOptions>,
  shared?: Shared,
): Promise<StageResult> {
  const addPayback = await beginPayback(environment, options)
  const packed = await archiveFor(environment, options)
  const joined = await joinedFor(packed, environment, options, shared)
  if (joined) return joined
  const made = async (result: StageResult): Promise<StageResult> => {
    await tellIfBaseIsSlow(result, environment, options)
    return addPayback(result)
  }
  const staged = await stageFrom(packed, environment, options)
  if (!('damaged' in staged)) return await made(staged)
  const again = await stageFrom(
    await archiveFor(environment, options, { damaged: staged.damaged }),
    environment,
    options,
  )
  if ('damaged' in again) throw again.damaged.error
  return await made(again)
}

/** One that is there already, if the archive was. */
async function joinedFor(
  packed: Packed,
  environment: Environment,
  options: Filled<StageOptions>,
  shared: Shared | undefined,
): Promise<StageResult | undefined> {
  if ('lost' in packed || packed.stage || !shared) return undefined
  const stages = await sharedStages(environment, shared.folders, options)
  if (stages.length === 0) return undefined
  const head = await readHead(packed.archive).catch(undefinedIfDamaged)
  if (head === undefined) return undefined
  const wanted = { environment, created: head.created, damaged: shared.damaged, looks: lookAt(stages) }
  return await joinStage(stages, wanted, options)
}

/** The archive is. Extracting it shows that, too. */
function undefinedIfDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error
}

/**
 * Finishes the stage that was begun while packing, or extracts the archive.
 * @returns `damaged` if the archive is; then there is no stage
 */
async function stageFrom(
  packed: Packed,
  environment: Environment,
  options: Filled<StageOptions>,
): Promise<StageResult | { damaged: Damaged }> {
  if ('lost' in packed) {
    const message = `${packed.lost.message}. Staging continues without an archive; the next run will pack again`
    options.onProgress({ kind: 'warning', message })
    return await packed.stage.finish()
  }
  const staged = await packed.stage?.finishFrom(packed.archive)
  return staged ?? (await extractArchive(packed.archive, environment, options))
}
