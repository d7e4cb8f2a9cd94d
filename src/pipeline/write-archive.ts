import { DEFAULT_LEVEL } from '../archive/codec.ts'
import { framesAtOnce } from '../archive/write/frame-writer.ts'
import { type WriteOptions, type WrittenArchive, writeArchive } from '../archive/writer.ts'
import { changePrefix } from '../conda-pack/change-prefix.ts'
import { filterEntries } from '../conda-pack/filter.ts'
import { plainToolMembers, renamedScripts } from '../conda-pack/plain-tool-members.ts'
import type { Environment } from '../environment/find.ts'
import { withSiblings } from '../environment/siblings.ts'
import { withSpellings } from '../environment/spellings.ts'
import type { EarlyReads } from '../inventory/early-reads.ts'
import { readItems } from '../inventory/read.ts'
import { type BytePath, bytePathOf, displayPath } from '../model/byte-path.ts'
import type { Entry, RenamedMembers } from '../model/entry.ts'
import type { ArchiveItem, PackedFrame, TakeFrame } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { mayHang } from '../platform/mounts.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import type { DirectStage } from '../stage/direct-stage.ts'
import type { FileCopies } from '../stage/file-copies.ts'
import type { Copies } from '../workers/copied-runs.ts'
import { packedItems } from '../workers/packed-items.ts'
import { FrameWorkers } from '../workers/pool.ts'
import { isWorthRuns, RunPacker } from '../workers/run-packer.ts'
import { archiveHeader, wholeFacts } from './archive-header.ts'
import { listEnvironment, readRecorded } from './list-environment.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'
import { readOptions } from './read-progress.ts'
import type { BeginStage, StageBegun, StageWhilePacking } from './stage-while-packing.ts'

interface Source {
  environment: Environment
  /** Files that may be the archive: no part of the environment. */
  candidates: readonly string[]
  /** Begins a stage of the same contents. */
  begin?: BeginStage | undefined
  /** Writes the archive, if another does than the one of archives that are unpacked. */
  writer?: typeof writeArchive
}

/** What became of the contents. */
export interface Written {
  /** Why there is no archive of them, although the stage has them. */
  lost?: unknown
  stage?: StageBegun
}

type Chosen = Filled<PackOptions> & { shape: Shape; threads: number; workers: FrameWorkers }

/**
 * environment -> inventory -> what the filters leave -> contents, for another prefix if one is named -> archive.
 * @param path undefined: the contents are for the stage alone. If none can be begun, nothing is read.
 */
export async function writeEnvironment(
  path: string | undefined,
  source: Source,
  options: Filled<PackOptions>,
): Promise<Written> {
  const environment = await withSiblings(await withSpellings(source.environment, options.env))
  const shape = shapeOf(environment, options)
  const threads = framesAtOnce({ ...shape, threads: options.threads ?? defaultThreads() })
  const workers = new FrameWorkers(threads)
  try {
    return await write(path, { ...source, environment }, { ...options, shape, threads, workers })
  } finally {
    await workers.end()
  }
}

/** What kind of archive is asked for. */
interface Shape extends Pick<WriteOptions, 'format' | 'root' | 'header'> {
  level: number
  root: BytePath
  /** Prefixes that stand in the environment's files. */
  prefixes: string[]
  /** A stage can be made of its frames: they hold all of the environment as it is, several files to a frame. */
  servesStage: boolean
  /** Set if threads can fill its frames by themselves: nothing is changed on the way, and a frame holds several files. */
  runFormat?: 'tar.zst' | 'tar.gz'
}

function shapeOf(environment: Environment, options: Filled<PackOptions>): Shape {
  const { format, compressLevel, arcroot, destPrefix, filters = [] } = options
  const own = { ...archiveHeader(environment), ...wholeFacts(options) }
  const isWhole = filters.length === 0 && destPrefix === undefined && arcroot === undefined
  const isInRuns = destPrefix === undefined && (format === 'tar.zst' || format === 'tar.gz')
  return {
    format,
    level: compressLevel ?? DEFAULT_LEVEL[format],
    root: bytePathOf(arcroot ?? ''),
    header: destPrefix === undefined ? own : { ...own, prefixes: [destPrefix], siblings: [[]] },
    prefixes: own.prefixes,
    servesStage: isWhole && format !== 'zip' && format !== 'sqfs',
    ...(isInRuns && { runFormat: format }),
  }
}

async function write(
  path: string | undefined,
  { environment, candidates, begin, writer = writeArchive }: Source,
  options: Chosen,
): Promise<Written> {
  const { shape, threads, workers, filters = [], destPrefix, signal } = options
  const { servesStage, header } = shape
  const recorded = await readRecorded(environment, candidates)
  // An image is not unpacked by people: it has no scripts for them.
  const isImage = shape.format === 'sqfs'
  const renamed = isImage ? new Map() : await renamedScripts(environment, { unpack: destPrefix === undefined })
  const { early, files } = recorded
  const contents = { recorded: files, workers, prefixes: shape.prefixes, created: header.created }
  const stage = servesStage ? await begin?.(contents) : undefined
  if (path === undefined && stage === undefined) return {}
  const direct = stage?.direct
  try {
    const copies = await copiesFor(direct, { environment, early, shape })
    const listed = filterEntries(await listEnvironment(environment, recorded, options, copies?.folder), filters)
    reportRenamed(renamed, listed, options)
    direct?.listed(listed)
    const packer = makePacker(environment, direct, { ...options, renamed })
    const { lost, ...written } = await writer({
      ...shape,
      renamed,
      path,
      threads,
      compress: (...frame) => workers.compress(...frame),
      items: itemsOf(environment, listed, { early, packer, copies, beside: path ?? candidates[0]! }, options),
      besides: (entries) => plainToolMembers(entries, { ...header, unpack: destPrefix === undefined, renamed }),
      ...(stage && { takeFrame: direct?.takeFrame ?? NOBODY }),
      ...(signal && { signal }),
    })
    if (stage === undefined) return {}
    return { stage: begun(stage, written), ...(lost !== undefined && { lost }) }
  } catch (error) {
    await stage?.giveUp(error)
    throw error
  }
}

/** For a stage, if it takes long to read the originals. Of a file server nobody knows how long the next call will take. */
async function copiesFor(
  stage: DirectStage | undefined,
  { environment, early, shape }: { environment: Environment; early: EarlyReads; shape: Shape },
): Promise<FileCopies | undefined> {
  const target = shape.runFormat && stage
  if (target && mayHang(environment.real)) return target.copiesOf(environment.prefix)
  await early.begin()
  if (early.pace.isQuick) return undefined
  if (!target) early.readOn()
  return target?.copiesOf(environment.prefix)
}

/** For a stage that has failed already. */
const NOBODY: TakeFrame = async () => {}

/** Has threads pack files by themselves, if they can. */
function makePacker(
  { prefix, siblings }: Environment,
  stage: DirectStage | undefined,
  { shape, workers, threads, renamed }: Chosen & { renamed: RenamedMembers },
): RunPacker | undefined {
  const { runFormat: format, prefixes, root, level } = shape
  if (format === undefined) return undefined
  const order = { prefix, prefixes, siblings, root, format, level, renamed }
  return new RunPacker({ ...order, workers, threads, stage, shareContent: stage !== undefined })
}

interface Reading {
  early: EarlyReads
  packer: RunPacker | undefined
  /** Of the files on the local disk, if it takes long to read the originals. */
  copies: Copies | undefined
  beside: string
}

/**
 * By threads, in runs, from copies or if files answer at once; else read here, and rewritten for another prefix if one is
 * named.
 */
function itemsOf(
  environment: Environment,
  listed: readonly Listed[],
  { early, packer, copies, beside }: Reading,
  options: Chosen,
): AsyncIterable<ArchiveItem | PackedFrame> {
  const read = readOptions(environment, listed, options, early)
  const isQuick = early.pace.isQuick && isWorthRuns(listed)
  if (packer && (copies || isQuick)) return packedItems(environment, listed, { packer, copies, read })
  const items = readItems(environment, listed, read)
  return options.destPrefix === undefined ? items : rewritten(items, { to: options.destPrefix, beside }, options)
}

function rewritten(
  items: AsyncIterable<ArchiveItem>,
  { to, beside }: { to: string; beside: string },
  { shape, onProgress }: Chosen,
): AsyncIterable<ArchiveItem> {
  if (!to.startsWith('/')) {
    const message = `${to} is not an absolute path: it takes the place of the prefix as it is`
    onProgress({ kind: 'info', message })
  }
  return changePrefix(items, {
    from: shape.prefixes,
    to,
    beside,
    makeScanner: (entry) => new PrefixScanner([to], entry, [[]]),
    onNoRoom(file) {
      const message = `${displayPath(file)} has no room for ${to} and keeps the old path`
      onProgress({ kind: 'warning', message })
    },
  })
}

const begun = (stage: StageWhilePacking, written: WrittenArchive): StageBegun => ({
  finish: () => stage.finish(written),
  finishFrom: (archive) => stage.finishFrom(written, archive),
  giveUp: stage.giveUp,
})

/** Says under which names those who unpack the archive find scripts of the environment whose names are taken. */
export function reportRenamed(
  renamed: RenamedMembers,
  entries: readonly Pick<Entry, 'path'>[],
  { onProgress }: Filled<PackOptions>,
): void {
  const moved = entries.flatMap(({ path }) => (renamed.has(path) ? [`${path} as ${renamed.get(path)}`] : [])).sort()
  if (moved.length === 0) return
  const message = `The archive has its own scripts to activate and unpack it; it keeps the environment's ${moved.join(', ')}`
  onProgress({ kind: 'info', message })
}
