import { readHead } from '../archive/reader.ts'
import { installedSizes } from '../environment/installed-sizes.ts'
import { readRecords } from '../environment/records.ts'
import type { Amount, Site } from '../model/cost.ts'
import { USUAL_BANDWIDTH } from '../model/cost.ts'
import type { EnvironmentKind } from '../model/kind.ts'
import { defaultThreads } from '../platform/cpus.ts'

/** What an archive holds. */
export async function amountIn(archive: string): Promise<Amount> {
  const { files, bytes, entries } = (await readHead(archive)).totals
  return { files, bytes, entries }
}

/** Sizes of the files that conda's records or pip's list: others are missing. Only the records are read. */
export async function recordedSizes({ kind, prefix }: { kind: EnvironmentKind; prefix: string }): Promise<number[]> {
  if (kind === 'venv') return await installedSizes(prefix)
  const { paths } = await readRecords(prefix)
  return [...paths.values()].map(({ recordedSize = 0 }) => recordedSize)
}

export const amountOf = (sizes: readonly number[], entries = sizes.length): Amount => ({
  files: sizes.length,
  bytes: sizes.reduce((sum, size) => sum + size, 0),
  entries,
})

/** This machine, and a file system that answers a look-up in so many milliseconds. How fast it delivers bytes is not measured. */
export const siteOf = (lookUpMs: number, threads = defaultThreads()): Site => ({
  lookUp: lookUpMs / 1000,
  bandwidth: USUAL_BANDWIDTH,
  cores: threads,
})
