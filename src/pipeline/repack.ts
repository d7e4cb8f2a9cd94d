import { isUnwritable } from '../archive/failure.ts'
import { readIndex } from '../archive/reader.ts'
import { BytesAhead } from '../archive/reuse/bytes-ahead.ts'
import { canBeReused, OldArchive } from '../archive/reuse/old-archive.ts'
import { planReuse, type ReusePlan } from '../archive/reuse/plan.ts'
import { writeArchive } from '../archive/writer.ts'
import { openTrusted } from '../cache/index.ts'
import { plainToolMembers, renamedScripts } from '../conda-pack/plain-tool-members.ts'
import type { Environment } from '../environment/find.ts'
import { readRecords } from '../environment/records.ts'
import { withSiblings } from '../environment/siblings.ts'
import type { StageError } from '../errors.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { type Survey, survey } from '../inventory/survey.ts'
import { unchangedFiles } from '../inventory/unchanged.ts'
import type { ArchivedFile, ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Entry } from '../model/entry.ts'
import type { ArchiveItem } from '../model/item.ts'
import { closeRead } from '../platform/close.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { mayHang } from '../platform/mounts.ts'
import { type Choice, isDamage } from './archive-choice.ts'
import { archiveHeader, wholeFacts } from './archive-header.ts'
import { warnOfWhatIsMissing } from './list-environment.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { contentsOf } from './read-progress.ts'
import { RepackProgress } from './repack-progress.ts'
import { reportRenamed } from './write-archive.ts'

/** What an outdated archive still holds of the environment. */
interface Reusable {
  archive: OldArchive
  index: ArchiveIndex
  /** What is in the environment now. */
  entries: Entry[]
  unchanged: Map<BytePath, ArchivedFile>
  plan: ReusePlan
}

/**
 * Writes the archive anew and reuses what the archive that is out of date still holds: frames in which nothing changed are
 * copied as they are, and unchanged files are taken out of the others. Only the rest is read from the environment.
 *
 * The result is undefined if there is no such archive or it can't be reused: its format, level or program version differs
 * (another version may have searched for the prefix in other ways), it does not hold all of the environment, or it is
 * damaged. Then nothing is left of what was written.
 * @returns `lost`: why the new archive can't be written
 * @throws StageError as for writing from nothing.
 */
export async function repack(
  path: string,
  source: Environment,
  { stale, candidates }: Choice,
  options: Filled<PackOptions>,
): Promise<{ lost?: StageError } | undefined> {
  if (stale === undefined) return undefined
  const handle = await openTrusted(stale.archive, [options.uid, source.ownerUid]).catch(() => undefined)
  if (handle === undefined) return undefined
  const ahead = new BytesAhead(handle)
  try {
    const index = await readIndex(stale.archive, handle)
    // Spellings are found when everything is read. A repack reads too little to find others.
    const environment = await withSiblings({ ...source, spellings: index.prefixes.slice(2) })
    if (!canServe(index, environment, options)) return undefined
    const archive = new OldArchive(handle, { path: stale.archive, index, ahead })
    const found = await compare({ archive, index }, environment, candidates, options)
    await write(path, found, environment, options)
    return {}
  } catch (error) {
    if (isUnwritable(error)) return { lost: error }
    if (!isDamage(error)) throw error
    options.onProgress({ kind: 'warning', message: `${error.message}. Reading the whole environment instead` })
    return undefined
  } finally {
    ahead.stop()
    await closeRead(handle)
  }
}

function canServe(index: ArchiveIndex, environment: Environment, options: Filled<PackOptions>): boolean {
  const header = archiveHeader(environment)
  const { whole } = wholeFacts(options)
  if (whole === undefined || index.whole?.level !== whole.level) return false
  if (index.format !== options.format || index.generator !== header.generator || !canBeReused(index)) return false
  // By another evidence other places would have been found.
  const searched = (by: Pick<ArchiveIndex, 'prefixes' | 'siblings'>) => JSON.stringify([by.prefixes, by.siblings])
  return searched(index) === searched(header)
}

async function compare(
  { archive, index }: { archive: OldArchive; index: ArchiveIndex },
  environment: Environment,
  candidates: readonly string[],
  options: Filled<PackOptions>,
): Promise<Reusable> {
  const now = await lookAtNow(index, environment, candidates, options)
  const { entries } = now
  const unchanged = unchangedFiles(index.entries, entries)
  // Warnings about unchanged files were given when the old archive was written.
  const other = entries.filter(({ path }) => !unchanged.has(path))
  await warnOfWhatIsMissing(environment, { ...now, entries: other }, options)
  return { archive, index, entries, unchanged, plan: planReuse(index, unchanged) }
}

/** Everything in the environment now: found by looking at every file, or at the places that the quick check looks at. */
async function lookAtNow(
  index: ArchiveIndex,
  environment: Environment,
  candidates: readonly string[],
  { check, signal }: Filled<PackOptions>,
): Promise<Survey & { warnings: readonly string[] }> {
  const warnings = new Set<string>()
  const recordsOf = async (names: readonly string[]) => {
    const records = await readRecords(environment.prefix, names)
    for (const warning of records.warnings) warnings.add(warning)
    return records.paths
  }
  const isExcluded = exclusions(environment, candidates)
  const hang = mayHang(environment.real)
  const options = { isExcluded, recordsOf, full: check === 'full', mayHang: hang, ...(signal && { signal }) }
  const found = await survey(environment, index.entries, options)
  return { ...found, warnings: [...warnings].sort() }
}

async function write(
  path: string,
  { archive, index, entries, unchanged, plan }: Reusable,
  environment: Environment,
  options: Filled<PackOptions>,
): Promise<void> {
  const { signal, format, compressLevel: level, threads = defaultThreads() } = options
  const header = { ...archiveHeader(environment), ...wholeFacts(options) }
  const renamed = await renamedScripts(environment, { unpack: true })
  const read = entries.flatMap((entry) => (entry.type === 'file' && !unchanged.has(entry.path) ? [entry] : []))
  const copied = plan.frames.filter(({ parts }) => parts === undefined).length
  const message =
    `Reused ${copied} of ${index.frames.length} frames of the old archive; ` +
    `reading ${read.length} of ${read.length + unchanged.size} files`
  options.onProgress({ kind: 'detail', message })
  reportRenamed(renamed, read, options)
  const progress = new RepackProgress([...unchanged.values()], read, options)
  const contents = new Prefetched(contentsOf(environment, read, progress.behind(options)))
  try {
    await writeArchive({
      path,
      format,
      ...(level !== undefined && { level }),
      threads,
      header,
      renamed,
      reused: { files: plan.carried, frames: progress.along(archive.frames(plan.frames)) },
      items: items(archive, { entries, others: plan.others }, contents),
      besides: (entries) => plainToolMembers(entries, { ...header, unpack: true, renamed }),
      ...(signal && { signal }),
    })
  } finally {
    await contents.close()
  }
}

/** What is not in copied frames: unchanged files out of other frames, and what is read from the environment. */
async function* items(
  archive: OldArchive,
  { entries, others }: { entries: readonly Entry[]; others: readonly ArchivedFile[] },
  read: AsyncIterable<ArchiveItem>,
): AsyncGenerator<ArchiveItem> {
  for (const file of others) yield archive.item(file)
  yield* read
  for (const entry of entries) if (entry.type !== 'file') yield { entry }
}

/** Asks for the first item at once, so that files are opened and read while the frames are copied. */
class Prefetched<T> implements AsyncIterable<T> {
  readonly #rest: AsyncIterator<T>
  readonly #first: Promise<IteratorResult<T>>

  constructor(source: AsyncIterable<T>) {
    this.#rest = source[Symbol.asyncIterator]()
    this.#first = this.#rest.next()
    this.#first.catch(() => {})
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let next = await this.#first; !next.done; next = await this.#rest.next()) yield next.value
  }

  async close(): Promise<void> {
    await this.#first.catch(() => {})
    await this.#rest.return?.()
  }
}
