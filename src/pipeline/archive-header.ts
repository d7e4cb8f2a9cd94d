import { DEFAULT_LEVEL } from '../archive/codec.ts'
import type { Environment } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { programVersion } from '../platform/program.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** The original prefixes in the index's order: the logical one and, if it differs, the real one. */
export const prefixesOf = ({ prefix, real }: Pick<Environment, 'prefix' | 'real'>): string[] =>
  prefix === real ? [prefix] : [prefix, real]

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
