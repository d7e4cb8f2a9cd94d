import type { Environment } from '../environment/find.ts'
import { exclusions } from '../inventory/exclusions.ts'
import { inventory } from '../inventory/walk.ts'
import { type Amount, firstStageSeconds, laterStageSeconds } from '../model/cost.ts'
import { findLocalFolder, suitableFolders } from '../platform/local-disk.ts'
import { mayHang } from '../platform/mounts.ts'
import { stat } from '../platform/remote-fs.ts'
import { timeOfLookUp } from '../platform/time-of-look-up.ts'
import { damageOf } from '../stage/intact.ts'
import { assertStageable } from '../stage/place.ts'
import type { Stage } from '../stage/record.ts'
import { leastRoom } from '../stage/room.ts'
import { openAlone } from './alone.ts'
import { amountIn, amountOf, recordedSizes, siteOf } from './amount.ts'
import { chooseArchive } from './archive-choice.ts'
import { sharedStages } from './join-stage.ts'
import { localOriginal } from './local.ts'
import type { StageOptions } from './options.ts'
import { type Filled, fillIn, findOriginal, pathsOf } from './original.ts'
import { type AloneFacts, isShared } from './share.ts'

/** What staging or packing would do now. */
export interface Forecast {
  original: string
  archive: { path: string; state: 'fresh' | 'out of date' | 'missing' | 'alone'; reason?: string; bytes?: number }
  /** Of the copy, or to pack. */
  files: number
  bytes: number
  /** Whether files that conda has not installed are missing in these numbers: on a slow file system only conda's records are read. */
  isLeast: boolean
  /** The copy that is there already and would be used. */
  copy?: string
  /** Where the copy would be made; missing if the environment would only be packed. */
  local?: { path: string; source: string; available: number }
  /** An estimate by `model/cost.ts`. */
  seconds: number
}

/**
 * Finds out what stage() or pack() would do, and writes nothing.
 * @param onlyPack without the copy
 * @throws StageError with what staging would fail with at once, such as NO_SPACE
 */
export async function forecast(given: StageOptions, { onlyPack }: { onlyPack: boolean }): Promise<Forecast> {
  const options = fillIn(given)
  if (options.archive !== undefined) return await forecastAlone(options)
  const environment = await findOriginal(options)
  if (!onlyPack) {
    await localOriginal(environment, options)
    assertStageable(environment.name)
  }
  const { fresh, created, stale, candidates, foreign } = await chooseArchive(environment, options)
  const path = fresh ?? stale?.archive ?? candidates.find((candidate) => !foreign.includes(candidate)) ?? candidates[0]!
  const amount = fresh === undefined ? await expectedOf(environment, candidates, options) : await expectedFrom(fresh)
  const { files, bytes, isLeast, packSeconds, room } = amount
  const copy = onlyPack || !isShared(options) ? undefined : await wholeStage(environment, created, options)
  const request = { ...options, needed: room, dryRun: true, outside: pathsOf(environment) }
  const local = onlyPack || copy ? undefined : await findLocalFolder(request)
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
    seconds: packSeconds || (local ? laterStageSeconds(amount, siteOf(0, options.threads)) : 0),
  }
}

async function forecastAlone(options: Filled<StageOptions>): Promise<Forecast> {
  const { archive: path, environment, created, alone } = await openAlone(options, { onlyLook: true })
  assertStageable(environment.name)
  const { room, ...amount } = await expectedFrom(path)
  const copy = isShared(options) ? await wholeStage(environment, created, { ...options, alone }) : undefined
  const local = copy ? undefined : await findLocalFolder({ ...options, needed: room, dryRun: true })
  return {
    original: environment.prefix,
    archive: { path, state: 'alone', bytes: (await stat(path)).size },
    files: amount.files,
    bytes: amount.bytes,
    isLeast: false,
    ...(copy && { copy: copy.record.prefix }),
    ...(local && { local: { path: local.path, source: local.source, available: local.available.bytes } }),
    seconds: local ? laterStageSeconds(amount, siteOf(0, options.threads)) : 0,
  }
}

/** A stage of these contents that can be joined. */
async function wholeStage(
  environment: Environment,
  created: string | undefined,
  options: Filled<StageOptions & AloneFacts>,
): Promise<Stage | undefined> {
  const folders = (await suitableFolders(options)).map(({ real }) => real)
  for (const stage of await sharedStages(environment, folders, options))
    if (stage.record.archive.created === created && (await damageOf(stage)) === undefined) return stage
  return undefined
}

/** What would be packed or extracted. */
interface Expected extends Amount {
  isLeast: boolean
  room: { bytes: number; inodes: number }
  /** Of packing. 0: there is a fresh archive. */
  packSeconds: number
}

async function expectedFrom(archive: string): Promise<Expected> {
  const amount = await amountIn(archive)
  const { bytes, entries: inodes } = amount
  return { ...amount, isLeast: false, packSeconds: 0, room: { bytes, inodes } }
}

/** Milliseconds. Below that a look at every file costs little. */
const QUICK_MS = 0.3

async function expectedOf(
  environment: Environment,
  candidates: readonly string[],
  { signal, threads }: Filled<StageOptions>,
): Promise<Expected> {
  const lookUpMs = await timeOfLookUp(environment.real)
  const isLeast = lookUpMs > QUICK_MS
  const isExcluded = exclusions(environment, candidates)
  const look = { isExcluded, mayHang: mayHang(environment.real), ...(signal && { signal }) }
  const listed = isLeast ? undefined : await inventory(environment, look)
  const sizes =
    listed?.flatMap((entry) => (entry.type === 'file' ? [entry.size] : [])) ?? (await recordedSizes(environment))
  const room = leastRoom(sizes.map((recordedSize) => ({ type: 'file', path: '', recordedSize })))
  const amount = amountOf(sizes, listed?.length)
  return { ...amount, isLeast, packSeconds: firstStageSeconds(amount, siteOf(lookUpMs, threads)), room }
}
