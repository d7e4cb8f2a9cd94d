import { DEFAULT_LEVEL } from '../archive/codec.ts'
import { framesAtOnce } from '../archive/frames.ts'
import { writeArchive } from '../archive/writer.ts'
import { filterEntries } from '../conda-pack/filter.ts'
import { plainToolMembers } from '../conda-pack/members.ts'
import { rewriteItems } from '../conda-pack/rewrite.ts'
import type { Environment } from '../environment/find.ts'
import { displayPath } from '../model/byte-path.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import { FrameWorkers } from '../workers/pool.ts'
import { archiveHeader, wholeFacts } from './archive-facts.ts'
import { contentsOf, lookOver } from './look-over.ts'
import type { OnePass } from './one-pass.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

interface Source {
  environment: Environment
  /** Files that may be the archive: no part of the environment. */
  candidates: readonly string[]
  /** A stage that is made of the same contents. */
  onePass?: OnePass | undefined
}

/** environment -> inventory -> what the filters leave -> contents, for another prefix where one is named -> archive. */
export async function writeEnvironment(
  path: string,
  { environment, candidates, onePass }: Source,
  options: Filled<PackOptions>,
): Promise<void> {
  const { onProgress, signal, format, compressLevel: level, threads = defaultThreads() } = options
  const { arcroot, destPrefix, filters = [] } = options
  const listed = await lookOver(environment, candidates, options)
  const entries = filterEntries(listed.entries, filters)
  const items = contentsOf(environment, entries, options, listed.early)
  const found = { ...archiveHeader(environment), ...wholeFacts(options) }
  const onLeft = (left: string) =>
    onProgress({
      kind: 'warning',
      message: `${displayPath(left)} has no room for ${destPrefix}, and keeps the old path`,
    })
  const to = destPrefix
  const makeScanner = (entry: ConstructorParameters<typeof PrefixScanner>[1]) => new PrefixScanner([to!], entry)
  const header = to === undefined ? found : { ...found, prefixes: [to] }
  // Neither what was left out nor another prefix is for a stage, and a zip has no frames of many files.
  const isWhole = format !== 'zip' && filters.length === 0 && to === undefined && arcroot === undefined
  const workers = new FrameWorkers(framesAtOnce({ format, level: level ?? DEFAULT_LEVEL[format], threads }))
  const takeFrame = isWhole ? await onePass?.begin(entries, workers) : undefined
  const written = await writeArchive({
    path,
    format,
    ...(level !== undefined && { level }),
    ...(arcroot !== undefined && { root: Buffer.from(arcroot).toString('latin1') }),
    threads,
    compress: (...frame) => workers.compress(...frame),
    header,
    items: to === undefined ? items : rewriteItems(items, { from: found.prefixes, to, makeScanner, onLeft }),
    besides: (all) =>
      plainToolMembers(all, {
        prefixes: header.prefixes,
        mtimeNs: BigInt(Date.parse(header.created)) * 1_000_000n,
        unpack: to === undefined,
      }),
    ...(takeFrame && { takeFrame }),
    ...(signal && { signal }),
  }).finally(() => workers.end())
  if (onePass && takeFrame) onePass.packed = written
  if (written.lost !== undefined) throw written.lost
}
