import { stat } from 'node:fs/promises'
import type { Environment } from '../environment/find.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { programVersion } from '../platform/program.ts'
import type { Choice } from './archive-choice.ts'

export const sizeOf = async (path: string): Promise<number> => (await stat(path)).size

export function archiveHeader({
  prefix,
  real,
  name,
}: Environment): Pick<ArchiveIndex, 'name' | 'prefixes' | 'generator' | 'platform' | 'created'> {
  return {
    name,
    prefixes: prefix === real ? [prefix] : [prefix, real],
    generator: `conda-stage ${programVersion()}`,
    platform: 'linux',
    created: new Date().toISOString(),
  }
}

export const reasonOf = ({ stale }: Choice): string | undefined =>
  stale && `The archive ${stale.archive} is out of date: ${stale.reason}`
