import { editableInstalls } from '../environment/editable.ts'
import type { Environment } from '../environment/find.ts'
import { readRecords } from '../environment/records.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { readItems } from '../inventory/read.ts'
import { type Inventory, inventory } from '../inventory/walk.ts'
import { displayPath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import type { ArchiveItem } from '../model/item.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** Lists what goes into the archive, and warns of what a user would miss in a copy. */
export async function lookOver(
  environment: Environment,
  archives: readonly string[],
  options: Filled<PackOptions>,
): Promise<Entry[]> {
  const { signal } = options
  const records = await readRecords(environment.prefix)
  const isExcluded = exclusions(environment, archives)
  const found = await inventory(environment, { isExcluded, records: records.paths, ...(signal && { signal }) })
  await tellWhatIsMissed(environment, { ...found, warnings: records.warnings }, options)
  return found.entries
}

/** Warns of what a user would miss in a copy. `warnings` are those of the records. */
export async function tellWhatIsMissed(
  environment: Environment,
  { entries, skipped, missing, warnings }: Inventory & { warnings: readonly string[] },
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

/** The files' bytes, looked through for the prefix as they go by. */
export function contentsOf(
  environment: Environment,
  entries: readonly Entry[],
  { onProgress, signal }: Filled<PackOptions>,
): AsyncIterable<ArchiveItem> {
  const { prefix, real } = environment
  const prefixes = prefix === real ? [prefix] : [prefix, real]
  const files = entries.filter((entry) => entry.type === 'file')
  const totals = { totalFiles: files.length, totalBytes: files.reduce((sum, { size }) => sum + size, 0) }
  const done = { files: 0, bytes: 0 }
  let told = 0
  return readItems(environment, entries, {
    makeScanner: (entry) => new PrefixScanner(prefixes, entry),
    onRead(bytes, files) {
      done.bytes += bytes
      done.files += files
      const now = performance.now()
      // Ten times a second is enough for the eye.
      if (now - told < 100 && done.files < totals.totalFiles) return
      told = now
      onProgress({ kind: 'progress', phase: 'pack', ...done, ...totals })
    },
    ...(signal && { signal }),
  })
}
