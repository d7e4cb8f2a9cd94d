import { DEFAULT_LEVEL } from '../archive/codec.ts'
import { framesAtOnce } from '../archive/write/frame-writer.ts'
import { writeArchive } from '../archive/writer.ts'
import { filterEntries } from '../conda-pack/filter.ts'
import { plainToolMembers } from '../conda-pack/members.ts'
import { rewriteItems } from '../conda-pack/rewrite.ts'
import type { Environment } from '../environment/find.ts'
import { withSiblings } from '../environment/siblings.ts'
import { readItems } from '../inventory/read.ts'
import { displayPath } from '../model/byte-path.ts'
import type { ArchiveItem } from '../model/item.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import { packedItems } from '../workers/packed-items.ts'
import { FrameWorkers } from '../workers/pool.ts'
import { isWorthRuns, Runs } from '../workers/runs.ts'
import { archiveHeader, wholeFacts } from './archive-header.ts'
import { lookOver } from './list-environment.ts'
import type { OnePass } from './one-pass.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { readOptions } from './read-progress.ts'

interface Source {
  environment: Environment
  /** Files that may be the archive: no part of the environment. */
  candidates: readonly string[]
  /** A stage that is made of the same contents. */
  onePass?: OnePass | undefined
}

type Chosen = Filled<PackOptions> & { threads: number; level: number; workers: FrameWorkers }

/** environment -> inventory -> what the filters leave -> contents, for another prefix where one is named -> archive. */
export async function writeEnvironment(path: string, source: Source, options: Filled<PackOptions>): Promise<void> {
  const { format } = options
  const level = options.compressLevel ?? DEFAULT_LEVEL[format]
  const threads = framesAtOnce({ format, level, threads: options.threads ?? defaultThreads() })
  const workers = new FrameWorkers(threads)
  try {
    await write(path, source, { ...options, threads, level, workers })
  } finally {
    await workers.end()
  }
}

async function write(path: string, { candidates, onePass, ...source }: Source, options: Chosen): Promise<void> {
  const { signal, format, threads, level, workers, arcroot, destPrefix: to, filters = [] } = options
  const environment = await withSiblings(source.environment)
  const found = { ...archiveHeader(environment), ...wholeFacts(options) }
  const header = to === undefined ? found : { ...found, prefixes: [to], siblings: [[]] }
  const root = arcroot === undefined ? '' : Buffer.from(arcroot).toString('latin1')
  // Neither what was left out nor another prefix is for a stage, and a zip has no frames of many files.
  const isWhole = format !== 'zip' && filters.length === 0 && to === undefined && arcroot === undefined
  // What is changed on the way, or goes into another kind of archive, has to come to this thread.
  const inRuns = to === undefined && (format === 'tar.zst' || format === 'tar.gz') && { format }
  const shareContent = isWhole && onePass !== undefined
  const work = { ...found, prefix: environment.prefix, root, level, workers, threads, shareContent }
  const runs = inRuns ? new Runs({ ...work, ...inRuns }) : undefined
  const { entries: all, early } = await lookOver(environment, candidates, options, (recorded) => {
    if (filters.length === 0 && isWorthRuns(recorded)) runs?.beginEarly(recorded)
  })
  const entries = filterEntries(all, filters)
  const takeFrame = isWhole ? await onePass?.begin(entries, workers) : undefined
  const read = readOptions(environment, entries, options, early)
  const items =
    runs && early.pace.isQuick && isWorthRuns(entries)
      ? packedItems(environment, entries, { runs, read })
      : rewritten(readItems(environment, entries, read), found.prefixes, options)
  const written = await writeArchive({
    path,
    format,
    level,
    root,
    threads,
    compress: (...frame) => workers.compress(...frame),
    header,
    items,
    besides: (all) =>
      plainToolMembers(all, {
        prefixes: header.prefixes,
        mtimeNs: BigInt(Date.parse(header.created)) * 1_000_000n,
        unpack: to === undefined,
      }),
    ...(takeFrame && { takeFrame }),
    ...(signal && { signal }),
  })
  if (onePass && takeFrame) onePass.packed = written
  if (written.lost !== undefined) throw written.lost
}

/** For another prefix, where one is named. */
function rewritten(
  items: AsyncIterable<ArchiveItem>,
  from: readonly string[],
  { destPrefix: to, onProgress }: Filled<PackOptions>,
): AsyncIterable<ArchiveItem> {
  if (to === undefined) return items
  return rewriteItems(items, {
    from,
    to,
    makeScanner: (entry) => new PrefixScanner([to], entry, [[]]),
    onLeft(left) {
      const message = `${displayPath(left)} has no room for ${to}, and keeps the old path`
      onProgress({ kind: 'warning', message })
    },
  })
}
