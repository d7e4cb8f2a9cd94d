import { readHead } from '../archive/reader.ts'
import type { Environment } from '../environment/find.ts'
import { readRecords } from '../environment/records.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { inventory } from '../inventory/walk.ts'
import type { BytePath } from '../model/byte-path.ts'
import { fsPath } from '../model/byte-path.ts'
import { monotonicMs } from '../platform/clock.ts'
import { findLocalFolder, suitableFolders } from '../platform/local-disk.ts'
import { mayHang } from '../platform/mounts.ts'
import { lstat, stat } from '../platform/remote-fs.ts'
import { damageOf } from '../stage/intact.ts'
import { assertStageable } from '../stage/place.ts'
import type { Stage } from '../stage/record.ts'
import { leastRoom } from '../stage/room.ts'
import { chooseArchive } from './archive-choice.ts'
import { sharedStages } from './join-stage.ts'
import { localOriginal } from './local.ts'
import type { StageOptions } from './options.ts'
import { type Filled, fillIn, findOriginal } from './original.ts'
import { isShared } from './share.ts'

/** What staging or packing would do now. */
export interface Forecast {
  original: string
  archive: { path: string; state: 'fresh' | 'out of date' | 'missing'; reason?: string; bytes?: number }
  /** Of the copy, or to pack. */
  files: number
  bytes: number
  /** Whether files that conda has not installed are missing in these numbers: on a slow file system only conda's records are read. */
  isLeast: boolean
  /** The copy that is there already and would be used. */
  copy?: string
  /** Where the copy would be made; missing if the environment would only be packed. */
  local?: { path: string; source: string; available: number }
  /** A rough estimate. */
  seconds: number
}

/**
 * Finds out what stage() or pack() would do, and writes nothing.
 * @param onlyPack without the copy
 * @throws StageError with what staging would fail with at once, such as NO_SPACE
 */
export async function forecast(given: StageOptions, { onlyPack }: { onlyPack: boolean }): Promise<Forecast> {
  const options = fillIn(given)
  const environment = await findOriginal(options)
  if (!onlyPack) {
    await localOriginal(environment, options)
    assertStageable(environment.name)
  }
  const { fresh, created, stale, candidates, foreign } = await chooseArchive(environment, options)
  const path = fresh ?? stale?.archive ?? candidates.find((candidate) => !foreign.includes(candidate)) ?? candidates[0]!
  const amount = fresh === undefined ? await amountOf(environment, candidates, options) : await amountIn(fresh)
  const { files, bytes, isLeast, packSeconds, room } = amount
  const copy = onlyPack || !isShared(options) ? undefined : await wholeStage(environment, created, options)
  const local = onlyPack || copy ? undefined : await findLocalFolder({ ...options, needed: room, dryRun: true })
  return {
    original: environment.prefix,
    archive: {
      path,
      state: fresh !== undefined ? 'fresh' : stale ? 'out of date' : 'missing',
      ...(stale && { reason: stale.reason }),
      ...(fresh !== undefined && { bytes: (await stat(fresh)).size }),
    },
    files,
    bytes,
    isLeast,
    ...(copy && { copy: copy.record.prefix }),
    ...(local && { local: { path: local.path, source: local.source, available: local.available.bytes } }),
    seconds: packSeconds + (local ? extractSeconds(amount) : 0),
  }
}

/** A stage of these contents that can be joined. */
async function wholeStage(
  environment: Environment,
  created: string | undefined,
  options: Filled<StageOptions>,
): Promise<Stage | undefined> {
  const folders = (await suitableFolders(options)).map(({ real }) => real)
  for (const stage of await sharedStages(environment, folders, options))
    if (stage.record.archive.created === created && (await damageOf(stage)) === undefined) return stage
  return undefined
}

interface Amount {
  files: number
  bytes: number
  isLeast: boolean
  packSeconds: number
  room: { bytes: number; inodes: number }
}

async function amountIn(archive: string): Promise<Amount> {
  const { files, bytes, entries } = (await readHead(archive)).totals
  return { files, bytes, isLeast: false, packSeconds: 0, room: { bytes, inodes: entries } }
}

/** Milliseconds. Below that a look at every file costs little. */
const QUICK_MS = 0.3

async function amountOf(
  environment: Environment,
  candidates: readonly string[],
  { signal }: Filled<StageOptions>,
): Promise<Amount> {
  const { paths } = await readRecords(environment.prefix)
  const lookUpMs = await timeOfLookUp(environment.prefix, [...paths.keys()])
  const isLeast = lookUpMs > QUICK_MS
  const isExcluded = exclusions(environment, candidates)
  const recorded = [...paths.values()].map(({ recordedSize = 0 }) => ({ type: 'file', size: recordedSize }) as const)
  const look = { isExcluded, mayHang: mayHang(environment.real), ...(signal && { signal }) }
  const listed = isLeast ? recorded : await inventory(environment, look)
  const sizes = listed.flatMap((entry) => (entry.type === 'file' ? [entry.size] : []))
  const [files, bytes] = [sizes.length, sizes.reduce((sum, size) => sum + size, 0)]
  const room = leastRoom(sizes.map((recordedSize) => ({ type: 'file', path: '', recordedSize })))
  return { files, bytes, isLeast, packSeconds: packSeconds({ files, bytes }, lookUpMs), room }
}

/** How many files are looked at, one after the other, to see how fast the file system answers. */
const SAMPLES = 12

/** In milliseconds. A quarter of the samples was quicker: busy CPUs must not make a file system look slow. */
async function timeOfLookUp(prefix: string, paths: readonly BytePath[]): Promise<number> {
  const step = Math.max(1, Math.floor(paths.length / SAMPLES))
  const files = paths.filter((_, at) => at % step === 0).slice(0, SAMPLES)
  const samples = files.length > 0 ? files : ['conda-meta', 'bin', 'lib']
  const times: number[] = []
  for (const path of samples) {
    const started = monotonicMs()
    await lstat(fsPath(prefix, path)).catch(() => {})
    times.push(monotonicMs() - started)
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 4)]!
}

/** By what 30,000 files of 816 MB took on two cores: 2 s from local disk, 10 s from a file system with 2 ms a look-up. */
const packSeconds = ({ files, bytes }: { files: number; bytes: number }, lookUpMs: number): number =>
  bytes / 400e6 + (files * lookUpMs) / 6000

/** The same took 1.4 s to extract. */
const extractSeconds = ({ files, bytes }: { files: number; bytes: number }): number => files / 50_000 + bytes / 1e9
