import { DEFAULT_LEVEL } from '../archive/codec.ts'
import { type Environment, prefixesOf } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { programVersion } from '../platform/program.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

export function archiveHeader(
  environment: Environment,
): Pick<ArchiveIndex, 'name' | 'prefixes' | 'siblings' | 'generator' | 'platform' | 'created'> {
  return {
    name: environment.name,
    prefixes: prefixesOf(environment),
    ...(environment.siblings && { siblings: environment.siblings }),
    generator: `conda-stage ${programVersion()}`,
    platform: 'linux',
    created: new Date().toISOString(),
  }
}

/** The index's note that a later archive may reuse the contents. */
export const wholeFacts = ({
  format,
  compressLevel,
  filters = [],
  arcroot,
  destPrefix,
}: Filled<PackOptions>): Pick<ArchiveIndex, 'whole'> =>
  filters.length > 0 || arcroot !== undefined || destPrefix !== undefined
    ? {}
    : { whole: { level: compressLevel ?? DEFAULT_LEVEL[format] } }
