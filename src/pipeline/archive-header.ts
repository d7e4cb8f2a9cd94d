import { stat } from 'node:fs/promises'
import { DEFAULT_LEVEL } from '../archive/codec.ts'
import type { Environment } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { programVersion } from '../platform/program.ts'
import type { Choice } from './archive-choice.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

export const sizeOf = async (path: string): Promise<number> => (await stat(path)).size

/** The original prefixes, as the index numbers them: logical and, where it differs, real. */
export const prefixesOf = ({ prefix, real }: Pick<Environment, 'prefix' | 'real'>): string[] =>
  prefix === real ? [prefix] : [prefix, real]

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

/** What the index tells of the archive by which a later one may take over its contents. */
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

export const reasonOf = ({ stale }: Choice): string | undefined =>
  stale && `The archive ${stale.archive} is out of date: ${stale.reason}`
