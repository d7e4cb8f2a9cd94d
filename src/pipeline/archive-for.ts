import type { Environment } from '../environment/find.ts'
import type { Damaged } from './archive-choice.ts'
import { convertedArchive } from './convert-foreign.ts'
import type { StageOptions } from './options.ts'
import type { Filled } from './original.ts'
import { type Packed, packUnlessFresh } from './pack-unless-fresh.ts'
import { packWithCondaPack } from './pack-with-conda-pack.ts'
import { beginStage } from './stage-while-packing.ts'

/**
 * The archive to extract: an archive of conda-pack's in the form that we extract, or our own. If ours has to be written,
 * the stage begins while that is done.
 * @param more `damaged`: an archive of ours that must not be used again; `alone`: begin no stage
 */
export async function archiveFor(
  environment: Environment,
  options: Filled<StageOptions>,
  { damaged, alone = false }: { damaged?: Damaged; alone?: boolean } = {},
): Promise<Packed> {
  const { packer } = options
  const output = packer === 'conda-pack' ? (await packWithCondaPack(environment, options)).archive : options.output
  const named = output === undefined ? options : { ...options, output }
  const converted = await convertedArchive(environment, named, damaged)
  if (converted !== undefined) return { archive: converted, fresh: true }
  return await packUnlessFresh(environment, options, {
    ...(!alone && { begin: (contents) => beginStage(environment, options, contents) }),
    damaged,
  })
}
