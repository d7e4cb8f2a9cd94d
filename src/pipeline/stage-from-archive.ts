import type { Environment } from '../environment/find.ts'
import type { Damaged } from './archive-choice.ts'
import { archiveFor } from './archive-for.ts'
import { extractArchive } from './extract-archive.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import type { Packed } from './pack-unless-fresh.ts'

/** A stage from the archive that is there or is being written. An archive that proves to be damaged is written again, once. */
export async function stageFromArchive(environment: Environment, options: Filled<StageOptions>): Promise<StageResult> {
  const staged = await stageFrom(await archiveFor(environment, options), environment, options)
  if (!('damaged' in staged)) return staged
  const again = await stageFrom(await archiveFor(environment, options, staged.damaged), environment, options)
  if ('damaged' in again) throw again.damaged.error
  return again
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
