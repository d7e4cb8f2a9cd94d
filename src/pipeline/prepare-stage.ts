import type { Environment } from '../environment/find.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { assertStageable } from '../stage/place.ts'
import { localOriginal } from './local.ts'
import type { StageOptions } from './options.ts'
import { type Filled, pathsOf } from './original.ts'

/**
 * Before the long work: a name or a local folder that will not do is reported at once.
 * @returns messages for the end
 */
export async function prepareStage(environment: Environment, options: Filled<StageOptions>): Promise<string[]> {
  const { onProgress, skipLocal } = options
  const notes = await localOriginal(environment, options)
  onProgress({ kind: 'phase', phase: 'stage', prefix: environment.prefix, environment: environment.kind })
  assertStageable(environment.name)
  await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 }, dryRun: true, outside: pathsOf(environment) })
  // A user who has decided on such copies knows it already.
  return skipLocal === undefined ? notes : []
}
