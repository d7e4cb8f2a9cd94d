import { DEFAULT_LEVEL } from '../archive/codec.ts'
import type { Environment } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { programVersion } from '../platform/program.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** The original prefixes in the index's order: the logical one, the real one if it differs or more follow, further spellings. */
export const prefixesOf = ({
  prefix,
  real,
  spellings = [],
}: Pick<Environment, 'prefix' | 'real' | 'spellings'>): string[] =>
  prefix === real && spellings.length === 0 ? [prefix] : [prefix, real, ...spellings]

export function archiveHeader(
  environment: Environment,
): Pick<ArchiveIndex, 'name' | 'prefixes' | 'generator' | 'platform' | 'created'> {
  return {
    name: environment.name,
    prefixes: prefixesOf(environment),
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
