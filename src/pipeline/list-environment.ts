import { editableInstalls } from '../environment/editable.ts'
import type { Environment } from '../environment/find.ts'
import { readRecords } from '../environment/records.ts'
import { EarlyReads, recordedFiles } from '../inventory/early-reads.ts'
import { exclusions, type IsExcluded } from '../inventory/exclusions.ts'
import { type Listing, type ListOptions, listTree } from '../inventory/list.ts'
import { displayPath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { mayHang } from '../platform/mounts.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** What conda's records list. */
export interface Recorded {
  records: Awaited<ReturnType<typeof readRecords>>
  isExcluded: IsExcluded
  /** In the archive's order. */
  files: ListedName[]
  early: EarlyReads
}

/** @param archives files that may be the archive: no part of the environment */
export async function readRecorded(environment: Environment, archives: readonly string[]): Promise<Recorded> {
  const records = await readRecords(environment.prefix)
  const isExcluded = exclusions(environment, archives)
  const files = recordedFiles(records.paths, isExcluded)
  const early = new EarlyReads(environment.prefix, files, { mayHang: mayHang(environment.real) })
  return { records, isExcluded, files, early }
}

/** Lists what goes into the archive, and warns of what a user would miss in a copy. */
export async function listEnvironment(
  environment: Environment,
  { records, isExcluded, early }: Recorded,
  options: Filled<PackOptions>,
  onFolder?: ListOptions['onFolder'],
): Promise<Listed[]> {
  const { signal } = options
  const { paths, warnings } = records
  const look = { isExcluded, records: paths, pace: early.pace, onFolder, ...(signal && { signal }) }
  const listing = listTree(environment, look)
  // Also if it fails or is cancelled: nobody shall wait for reads then.
  const found = await listing.finally(() => early.stop())
  early.compare(found.entries)
  await warnOfWhatIsMissing(environment, { ...found, warnings }, options)
  return found.entries
}

/** What is there, and the warnings of the records. */
export interface Missed extends Pick<Listing, 'skipped' | 'missing'> {
  entries: readonly Pick<Entry, 'path' | 'type'>[]
  warnings: readonly string[]
}

/** Warns of what a user would miss in a copy. */
export async function warnOfWhatIsMissing(
  environment: Environment,
  { entries, skipped, missing, warnings }: Missed,
  { onProgress, ignoreMissingFiles, ignoreEditablePackages }: Filled<PackOptions>,
): Promise<void> {
  const warn = (message: string) => onProgress({ kind: 'warning', message })
  for (const message of warnings) warn(message)
  if (environment.isRealUnnamed)
    warn(
      `${environment.prefix} leads to a path that is not valid UTF-8. In the copy, files that name that path still point to the original`,
    )
  for (const { path, reason } of skipped)
    warn(`${environment.prefix}/${displayPath(path)} ${reason} and is left out of the copy`)
  if (!ignoreMissingFiles && missing.length > 0) warn(missingMessage(missing.map(displayPath)))
  const editable = ignoreEditablePackages ? [] : await editableInstalls(environment, entries)
  for (const { project, target } of editable)
    warn(`${project} is installed from ${target}, outside the environment; the copy will keep using that location`)
}

function missingMessage(paths: string[]): string {
  const shown = paths.slice(0, 3).join(', ') + (paths.length > 3 ? ', ...' : '')
  const files = paths.length === 1 ? 'A file that conda installed is' : `${paths.length} files that conda installed are`
  return `${files} gone and will be missing from the copy: ${shown} (--ignore-missing-files silences this warning)`
}
