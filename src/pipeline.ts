import { unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { readIndex } from './archive/reader.ts'
import {
  archiveFolders,
  chooseWritable,
  noteUse,
  openTrusted,
  pruneArchives,
  publishArchive,
  temporaryName,
} from './cache/index.ts'
import type { Environment } from './environment/find.ts'
import { StageError } from './errors.ts'
import { type Choice, chooseArchive, isAsItWas } from './pipeline/archive-choice.ts'
import { reasonOf, sizeOf } from './pipeline/archive-header.ts'
import { completeStage } from './pipeline/complete-stage.ts'
import { convertedArchive } from './pipeline/convert-foreign.ts'
import { localMessages, localOriginal } from './pipeline/local-messages.ts'
import { OnePass } from './pipeline/one-pass.ts'
import type * as options from './pipeline/options.ts'
import { type Filled, fillIn, findOriginal } from './pipeline/original.ts'
import { packWithCondaPack } from './pipeline/pack-with-conda-pack.ts'
import { repack } from './pipeline/repack.ts'
import { countProgress, timed } from './pipeline/timing.ts'
import { writeEnvironment } from './pipeline/write-archive.ts'
import { findLocalFolder } from './platform/local-disk.ts'
import { extract } from './stage/extract.ts'
import { assertStageable, wantedLength, withNewPlace } from './stage/place.ts'
import { findStage, indexBytes } from './stage/record.ts'
import { detachStage, MANY_FILES } from './stage/remove.ts'
import { roomFor } from './stage/room.ts'
import { sweepDebris } from './stage/sweep.ts'
import { verifyStage } from './stage/verify.ts'

/**
 * Writes the archive of an environment, unless there is a fresh one. The environment is only read.
 * @throws StageError; an archive that was there is as it was then, and nothing half made is left.
 */
export async function pack(given: options.PackOptions = {}): Promise<options.PackResult> {
  const options = fillIn(given)
  const environment = await findOriginal(options)
  if (options.packer === 'conda-pack') return packWithCondaPack(environment, options)
  return packUnlessFresh(environment, options)
}

/**
 * Makes a relocated copy of an environment on local disk, from its archive. Where there is no fresh one, that is written in
 * the same pass. Nothing is activated.
 * @throws StageError; nothing half made is left on the local disk then.
 */
export async function stage(given: options.StageOptions = {}): Promise<options.StageResult> {
  const options = fillIn(given)
  const environment = await findOriginal(options)
  const localNews = await localOriginal(environment, options)
  options.onProgress({ kind: 'phase', phase: 'stage', prefix: environment.prefix })
  // Before the long work: a name or a folder that will not do is told at once.
  assertStageable(environment.name)
  await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 }, dryRun: true })
  const onePass = new OnePass(environment, options)
  const archive = await archiveFor(environment, options, onePass).catch((error: unknown) =>
    withoutArchive(error, onePass, options),
  )
  const result = (await onePass.finish(archive)) ?? (await extractArchive(archive!, environment, options))
  // Whoever chose knows it already.
  const kind = options.skipLocal === undefined ? 'info' : 'detail'
  for (const message of localNews) options.onProgress({ kind, message })
  return result
}

/** The stage needs no archive any more when everything was read for it. */
async function withoutArchive(
  error: unknown,
  onePass: OnePass,
  { onProgress }: Filled<options.StageOptions>,
): Promise<undefined> {
  if (onePass.packed === undefined || !(error instanceof StageError) || error.code === 'CANCELLED') {
    await onePass.giveUp(error)
    throw error
  }
  onProgress({
    kind: 'warning',
    message: `${error.message}. The copy is made all the same, and the next one packs again`,
  })
}

/**
 * Removes a staged copy. Who has it active must leave it first.
 * @param sweepBehind called with the local folder where there is much to remove: the copy is no stage any more by then, and
 *   what is left of it goes with the next sweep there. Without it the copy is gone when this resolves.
 * @throws StageError NOT_STAGED, TARGET_UNSAFE
 */
export async function unstage(
  given: options.UnstageOptions,
  sweepBehind?: (local: string) => void,
): Promise<options.UnstageResult> {
  const { cwd, uid, onProgress } = fillIn(given)
  const prefix = resolve(cwd, given.prefix)
  const folder = (await findStage(prefix))?.folder
  const removal = async () => {
    const { stage, remove } = await detachStage(prefix, { uid })
    const { original, files = 0 } = stage.record
    const report = countProgress('remove', onProgress)
    if (sweepBehind && files >= MANY_FILES) sweepBehind(dirname(stage.folder))
    else await remove((done) => report(done, files))
    return { original, prefix: stage.record.prefix }
  }
  if (!folder) return await removal()
  return await timed(onProgress, { kind: 'phase', phase: 'remove', prefix, target: folder }, removal)
}

/**
 * Looks for the original prefix in a staged copy, and compares the copy with what was archived.
 * @throws StageError NOT_STAGED, ARCHIVE_DAMAGED
 */
export async function verify(given: options.VerifyOptions): Promise<options.VerifyResult> {
  const { cwd, signal, onProgress } = fillIn(given)
  const prefix = resolve(cwd, given.prefix)
  const findings = await timed(onProgress, { kind: 'phase', phase: 'verify', prefix }, () =>
    verifyStage(prefix, { signal, onChecked: countProgress('verify', onProgress) }),
  )
  return { prefix, original: (await findStage(prefix))!.record.original, findings }
}

/** The archive to extract: one of conda-pack's, in the form that we extract, or our own. */
async function archiveFor(
  environment: Environment,
  options: Filled<options.PackOptions>,
  onePass: OnePass,
): Promise<string> {
  const { packer } = options
  const output = packer === 'conda-pack' ? (await packWithCondaPack(environment, options)).archive : options.output
  const converted = await convertedArchive(environment, output === undefined ? options : { ...options, output })
  return converted ?? (await packUnlessFresh(environment, options, onePass)).archive
}

async function packUnlessFresh(
  environment: Environment,
  options: Filled<options.PackOptions>,
  onePass?: OnePass,
): Promise<options.PackResult> {
  const { onProgress, warnings } = options
  const choice = await chooseArchive(environment, options)
  const { prefix } = environment
  const found = async (archive: string) => ({ prefix, archive, bytes: await sizeOf(archive), fresh: true, warnings })
  if (choice.fresh) {
    onProgress({ kind: 'detail', message: `The archive ${choice.fresh} is up to date (${options.check} check)` })
    return await found(choice.fresh)
  }
  const reason = reasonOf(choice)
  if (reason) onProgress({ kind: 'info', message: reason })
  const { path, passedOver } = await chooseWritable(choice.candidates, archiveFolders(options)).catch(
    async (error: unknown) => {
      // Whoever names a file wants that one.
      if (onePass && options.output === undefined) await writeNoArchive({ environment, choice, options, onePass })
      throw error
    },
  )
  for (const other of passedOver) onProgress({ kind: 'info', message: `The archive goes to ${path}: ${other.reason}` })
  const written = await timed(onProgress, { kind: 'phase', phase: 'pack', prefix }, () =>
    writeNewArchive({ path, environment, choice, options, onePass }),
  )
  if (!written) return await found(path)
  for (const gone of await pruneOthers(path, options))
    onProgress({ kind: 'info', message: `Removed an archive that was not used for long: ${gone}` })
  return { prefix, archive: path, bytes: await sizeOf(path), fresh: false, ...(reason && { reason }), warnings }
}

async function pruneOthers(path: string, options: Filled<options.PackOptions>): Promise<string[]> {
  const { retention, uid } = options
  return retention ? await pruneArchives(archiveFolders(options), retention, { keep: path, uid }) : []
}

/**
 * environment -> inventory -> contents, scanned for the prefix -> archive, put in place when it is whole. What an archive
 * that is out of date still holds comes from there. False where
 * another packer, for which we waited, has done it.
 */
async function writeNewArchive({ path, environment, choice, options, onePass }: NewArchive): Promise<boolean> {
  const { onProgress, signal } = options
  let repacking = false
  return await publishArchive({
    path,
    ...(signal && { signal }),
    onWait: (lock) =>
      onProgress({ kind: 'info', message: `Another conda-stage is writing ${path} (lock ${lock}): waiting` }),
    already: async () => {
      // The full check takes a look at every file: not twice, if nobody else has packed meanwhile.
      if (choice.stale?.archive === path && (await isAsItWas(choice.stale))) return undefined
      return (await chooseArchive(environment, options)).fresh === path ? false : undefined
    },
    write: async (temporary) => {
      repacking = true
      if (await repack(temporary, environment, choice, options)) return true
      repacking = false
      await writeEnvironment(temporary, { environment, candidates: choice.candidates, onePass }, options)
      return true
    },
  }).catch(async (error: unknown) => {
    // A repack makes no stage on the way, and a stage can do without an archive.
    if (repacking && onePass && isUnwritten(error)) await writeNoArchive({ environment, choice, options, onePass })
    throw error
  })
}

const isUnwritten = (error: unknown): boolean =>
  error instanceof StageError && (error.code === 'NO_SPACE' || error.code === 'ARCHIVE_UNWRITABLE')

/** Reads the environment for a stage alone, where there is no place for an archive. */
async function writeNoArchive({ environment, choice, options, onePass }: Omit<NewArchive, 'path'>): Promise<void> {
  const { candidates } = choice
  const phase = { kind: 'phase', phase: 'pack', prefix: environment.prefix } as const
  // Under a name that nobody takes for an archive, should it be possible to write there after all.
  const path = temporaryName(candidates[0]!)
  await timed(options.onProgress, phase, async () => {
    await writeEnvironment(path, { environment, candidates, onePass }, options).catch((error: unknown) => {
      // Of that name nobody knows: what is wrong with the real places is told by whoever calls.
      const isPlace = error instanceof StageError && error.path === path
      if (onePass?.packed === undefined && !isPlace) throw error
    })
  })
  await unlink(path).catch(() => {})
}

interface NewArchive {
  path: string
  environment: Environment
  choice: Choice
  options: Filled<options.PackOptions>
  onePass: OnePass | undefined
}

/** archive -> index -> room -> frames, relocated in memory -> stage, with its record as the last thing. */
async function extractArchive(
  archive: string,
  environment: Environment,
  options: Filled<options.StageOptions>,
): Promise<options.StageResult> {
  const { onProgress, uid, threads, signal } = options
  const readOnly = options.writable !== true
  const handle = await openTrusted(archive, [uid, environment.ownerUid])
  try {
    const index = await readIndex(archive, handle)
    await noteUse(handle, uid)
    const local = await findLocalFolder({ ...options, needed: roomFor(index) })
    for (const message of localMessages(local)) onProgress({ kind: 'detail', message })
    for (const debris of await sweepDebris(local.real, { uid }))
      onProgress({ kind: 'debug', message: `Removed what a killed conda-stage left: ${debris}` })
    return await withNewPlace({ local, name: environment.name, length: wantedLength(index), uid }, async (place) => {
      const { folder, prefix } = place
      const phase = { kind: 'phase', phase: 'extract', prefix: environment.prefix, archive, target: folder } as const
      const result = await timed(onProgress, phase, () =>
        extract({ archive, fd: handle.fd, index, prefix, readOnly, threads, onProgress, signal }),
      )
      const bytes = await indexBytes(handle, index)
      return await completeStage({ place, archive, index, bytes, result }, environment, options)
    })
  } finally {
    await handle.close()
  }
}
