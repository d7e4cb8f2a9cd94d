import type { Environment } from '../environment/find.ts'
import type { Damaged } from './archive-choice.ts'
import { extractArchive } from './extract-archive.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import type { Packed } from './pack-unless-fresh.ts'

/**
 * Finishes the stage that was begun while packing, or extracts the archive.
 * @returns `damaged` if the archive is; then there is no stage
 */
export async function stageFrom(
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
