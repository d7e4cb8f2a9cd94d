import { isUnwritable } from '../archive/failure.ts'
import {
  archiveFolders,
  chooseWritable,
  foldersToMake,
  pruneArchives,
  publishOrLose,
  removeLeftoversOfDead,
} from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { isCancelled, StageError } from '../errors.ts'
import { stat } from '../platform/remote-fs.ts'
import { type Choice, chooseArchive, type Damaged, isUnchanged, reasonOf } from './archive-choice.ts'
import type { PackOptions, PackResult } from './options.ts'
import { type Filled, pathsOf } from './original.ts'
import { repack } from './repack.ts'
import type { BeginStage, StageBegun } from './stage-while-packing.ts'
import { timed } from './timing.ts'
import { writeEnvironment } from './write-archive.ts'

/** An archive; or none, with the reason, if a stage was made of the same contents and so can do without. */
export type Packed = PackedArchive | { lost: StageError; stage: StageBegun }

interface PackedArchive {
  archive: string
  /** It was there already. */
  fresh: boolean
  /** Why the archive that was there had to be replaced. */
  reason?: string | undefined
  /** A stage that was begun while the archive was written. */
  stage?: StageBegun | undefined
}

interface Job {
  environment: Environment
  choice: Choice
  options: Filled<PackOptions>
  begin?: BeginStage | undefined
  damaged?: Damaged | undefined
}

/**
 * The archive that is fresh, or a new one.
 * @param more `begin` begins a stage while the archive is being written; `damaged` is a file not to use
 */
export async function packUnlessFresh(
  environment: Environment,
  options: Filled<PackOptions>,
  more: Pick<Job, 'begin' | 'damaged'> = {},
): Promise<Packed> {
  const { onProgress, check } = options
  const choice = await chooseArchive(environment, options, more.damaged)
  const { damaged, stale, fresh, untrusted } = choice
  if (damaged) {
    const next = fresh ? `Using ${fresh} instead` : 'Packing the environment again'
    onProgress({ kind: 'warning', message: `${damaged.message}. ${next}` })
  }
  if (fresh) {
    onProgress({ kind: 'detail', message: `The archive ${fresh} is up to date (${check} check)` })
    await removeLeftoversOfDead(fresh)
    return { archive: fresh, fresh: true }
  }
  const reason = reasonOf(choice)
  if (reason && stale) onProgress({ kind: 'info', message: reason })
  const job = { environment, choice, options, ...more }
  const candidates = choice.candidates.filter((candidate) => untrusted.every(({ path }) => path !== candidate))
  const packed = await packInto(candidates, job, untrusted[0])
  return reason && 'archive' in packed && !packed.fresh ? { ...packed, reason } : packed
}

/**
 * Packs into the first of these places that can be written and is not locked. If there is none, a stage does without an archive.
 * @param before what is wrong with a place before them
 */
async function packInto(candidates: readonly string[], job: Job, before?: StageError): Promise<Packed> {
  const { environment, options } = job
  const { onProgress, output } = options
  const phase = { kind: 'phase', phase: 'pack', prefix: environment.prefix, environment: environment.kind } as const
  const place = await chooseWritable(candidates, foldersToMake(environment, options), pathsOf(environment)).catch(
    asUnwritable,
  )
  if (place instanceof StageError) {
    // A user who names a file wants that file.
    if (output !== undefined) throw place
    return await timed(onProgress, phase, () => readForStage(before ?? place, job))
  }
  const { path, passedOver } = place
  if (before) onProgress({ kind: 'warning', message: `${before.message}. The archive goes to ${path}` })
  for (const other of passedOver) onProgress({ kind: 'info', message: `The archive goes to ${path}: ${other.reason}` })
  const packed = await timed(onProgress, phase, () =>
    writeNewArchive(path, job).catch((error: unknown) => {
      // Of the lock, or of what stands in the archive's place: nothing was read yet.
      if (isUnwritable(error)) return readForStage(error, job)
      throw error
    }),
  ).catch(asLocked)
  if (packed instanceof StageError) {
    const others = candidates.slice(candidates.indexOf(path) + 1)
    if (others.length > 0) return await packInto(others, job, packed)
    if (output !== undefined) throw packed
    return await timed(onProgress, phase, () => readForStage(packed, job))
  }
  if ('archive' in packed && !packed.fresh) await pruneOthers(path, options)
  return packed
}

export async function resultOf(
  packed: Packed,
  { prefix }: Environment,
  { warnings }: Filled<PackOptions>,
): Promise<PackResult> {
  if ('lost' in packed) throw packed.lost
  const { archive, fresh, reason } = packed
  return { prefix, archive, bytes: (await stat(archive)).size, fresh, ...(reason && { reason }), warnings }
}

/** From what the old archive still holds, else by reading everything. Another packer, for which we waited, may have done it. */
async function writeNewArchive(path: string, job: Job): Promise<Packed> {
  const { environment, choice, options, begin, damaged } = job
  const { onProgress, signal, output, uid } = options
  const { value, lost } = await publishOrLose<'fresh' | 'repacked' | { stage: StageBegun | undefined }>({
    path,
    ...(signal && { signal }),
    // Another user's archive would be of no use, except to a user who wants this very file written.
    ...(output === undefined && { owners: [uid, environment.ownerUid] }),
    onWait: (lock) =>
      onProgress({ kind: 'info', message: `Another conda-stage is writing ${path} (lock ${lock}): waiting` }),
    already: async () => {
      // The full check looks at every file: not twice, unless somebody else has packed meanwhile.
      if (choice.stale?.archive === path && (await isUnchanged(choice.stale))) return undefined
      return (await chooseArchive(environment, options, damaged)).fresh === path ? 'fresh' : undefined
    },
    write: async (temporary) => {
      if (options.format === 'sqfs') {
        const { packImage } = await import('./pack-image.ts')
        await packImage(temporary, environment, choice, options)
        return { value: { stage: undefined } }
      }
      const repacked = await repack(temporary, environment, choice, options)
      if (repacked) return { value: 'repacked', ...repacked }
      const { stage, ...rest } = await writeEnvironment(temporary, { ...choice, environment, begin }, options)
      return { value: { stage }, ...rest }
    },
  })
  if (value === 'fresh') return { archive: path, fresh: true }
  const stage = value === 'repacked' ? undefined : value.stage
  if (lost === undefined) {
    onProgress({ kind: 'archive', archive: path })
    return { archive: path, fresh: false, stage }
  }
  if (stage && lost instanceof StageError && !isCancelled(lost)) return { lost, stage }
  await stage?.giveUp(lost)
  // A repack makes no stage on the way, but a stage can do without an archive: the caller sees to that.
  throw lost
}

/**
 * Reads the environment for a stage alone, if there is no place for an archive.
 * @param lost what is wrong with the places; thrown if no stage can be made either
 */
async function readForStage(lost: StageError, { environment, choice, options, begin }: Job): Promise<Packed> {
  if (begin === undefined) throw lost
  const { stage } = await writeEnvironment(undefined, { ...choice, environment, begin }, options)
  if (stage === undefined) throw lost
  return { lost, stage }
}

function asUnwritable(error: unknown): StageError {
  if (error instanceof StageError && !isCancelled(error)) return error
  throw error
}

function asLocked(error: unknown): StageError {
  if (error instanceof StageError && error.code === 'LOCKED') return error
  throw error
}

async function pruneOthers(path: string, options: Filled<PackOptions>): Promise<void> {
  const { retention, uid, onProgress } = options
  if (retention === undefined) return
  for (const gone of await pruneArchives(archiveFolders(options), retention, { keep: path, uid }))
    onProgress({ kind: 'info', message: `Removed an archive that had not been used for a long time: ${gone}` })
}
