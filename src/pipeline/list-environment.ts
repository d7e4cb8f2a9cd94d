import { editableInstalls } from '../environment/editable.ts'
import type { Environment } from '../environment/find.ts'
import { readRecords } from '../environment/records.ts'
import { EarlyReads, recordedFiles } from '../inventory/early-reads.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { type Listing, listTree } from '../inventory/list.ts'
import { displayPath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/**
 * Lists what goes into the archive, and warns of what a user would miss in a copy. Where the file system is slow, the first files
 * that the records list are read meanwhile.
 * @param onQuick called with what the records list, if the file system answers at once; what it gives comes back as `begun`
 */
export async function lookOver<T>(
  environment: Environment,
  archives: readonly string[],
  options: Filled<PackOptions>,
  onQuick: (recorded: readonly ListedName[]) => T,
): Promise<{ entries: Listed[]; early: EarlyReads; begun: T | undefined }> {
  const { signal } = options
  const records = await readRecords(environment.prefix)
  const isExcluded = exclusions(environment, archives)
  const recorded = recordedFiles(records.paths, isExcluded)
  const early = new EarlyReads(environment.prefix, recorded)
  const { pace } = early
  const begun = pace.isQuick ? onQuick(recorded) : undefined
  const listing = listTree(environment, { isExcluded, records: records.paths, pace, ...(signal && { signal }) })
  // Also where it fails or is cancelled: nobody shall wait for reads then.
  const found = await listing.finally(() => early.stop())
  early.compare(found.entries)
  await tellWhatIsMissed(environment, { ...found, warnings: records.warnings }, options)
  return { entries: found.entries, early, begun }
}

/** What is there, and the warnings of the records. */
export interface Seen extends Pick<Listing, 'skipped' | 'missing'> {
  entries: readonly Pick<Entry, 'path' | 'type'>[]
  warnings: readonly string[]
}

/** Warns of what a user would miss in a copy. */
export async function tellWhatIsMissed(
  environment: Environment,
  { entries, skipped, missing, warnings }: Seen,
  { onProgress, ignoreMissingFiles, ignoreEditablePackages }: Filled<PackOptions>,
): Promise<void> {
  const warn = (message: string) => onProgress({ kind: 'warning', message })
  for (const message of warnings) warn(message)
  for (const { path, reason } of skipped) warn(`${environment.prefix}/${displayPath(path)} ${reason} and is left out`)
  if (!ignoreMissingFiles && missing.length > 0) warn(missingMessage(missing.map(displayPath)))
  const editable = ignoreEditablePackages ? [] : await editableInstalls(environment, entries)
  for (const { project, target } of editable)
    warn(`${project} is used from ${target}, outside of the environment, and will be in the copy too: it is not staged`)
}

function missingMessage(paths: string[]): string {
  const shown = paths.slice(0, 3).join(', ') + (paths.length > 3 ? ', ...' : '')
  const files = paths.length === 1 ? 'a file that conda installed is' : `${paths.length} files that conda installed are`
  return `${files} gone, and so not in the copy: ${shown} (--ignore-missing-files: no such warning)`
}
