import { stat } from 'node:fs/promises'
import { DEFAULT_LEVEL } from '../archive/codec.ts'
import type { Environment } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { programVersion } from '../platform/program.ts'
import type { Choice } from './archive-choice.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

export const sizeOf = async (path: string): Promise<number> => (await stat(path)).size

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
