import { resolve } from 'node:path'
import { readIndex } from './archive/reader.ts'
import { archiveFolders, chooseWritable, noteUse, openTrusted, pruneArchives, publishArchive } from './cache/index.ts'
import type { Environment } from './environment/find.ts'
import { type Choice, chooseArchive, isAsItWas } from './pipeline/archive-choice.ts'
import { reasonOf, sizeOf } from './pipeline/archive-facts.ts'
import { convertedArchive, packWithCondaPack } from './pipeline/conda-pack.ts'
import { leftMessages } from './pipeline/left.ts'
import { localMessages, localOriginal } from './pipeline/local.ts'
import type * as options from './pipeline/options.ts'
import { type Filled, fillIn, findOriginal } from './pipeline/original.ts'
import { repack } from './pipeline/repack.ts'
import { timed } from './pipeline/timing.ts'
import { writeEnvironment } from './pipeline/write-archive.ts'
import { findLocalFolder } from './platform/local-disk.ts'
import { ownIdentity } from './platform/process-identity.ts'
import { extract } from './stage/extract.ts'
import { assertStageable, wantedLength, withNewPlace } from './stage/place.ts'
import { copyIndex, findStage, writeRecord } from './stage/record.ts'
import { removeStage } from './stage/remove.ts'
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
 * Makes a relocated copy of an environment on local disk, from its archive, which is written first where there is no
 * fresh one. Nothing is activated.
 * @throws StageError; nothing half made is left on the local disk then.
 */
export async function stage(given: options.StageOptions = {}): Promise<options.StageResult> {
  const options = fillIn(given)
  const environment = await findOriginal(options)
  for (const message of await localOriginal(environment, options)) options.onProgress({ kind: 'detail', message })
  options.onProgress({ kind: 'phase', phase: 'stage', prefix: environment.prefix })
  // Before the long work: a name or a folder that will not do is told at once.
  assertStageable(environment.name)
  await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 }, dryRun: true })
  const archive = await archiveFor(environment, options)
  return extractArchive(archive, environment, options)
}

/**
 * Removes a staged copy. Who has it active must leave it first.
 * @throws StageError NOT_STAGED, TARGET_UNSAFE
 */
export async function unstage(given: options.UnstageOptions): Promise<options.UnstageResult> {
  const { cwd, uid, onProgress } = fillIn(given)
  const prefix = resolve(cwd, given.prefix)
  const folder = (await findStage(prefix))?.folder
  if (folder) onProgress({ kind: 'phase', phase: 'remove', prefix, target: folder })
  const { record } = await removeStage(prefix, { uid })
  return { original: record.original, prefix: record.prefix }
}

/**
 * Looks for the original prefix in a staged copy, and compares the copy with what was archived.
 * @throws StageError NOT_STAGED, ARCHIVE_DAMAGED
 */
export async function verify(given: options.VerifyOptions): Promise<options.VerifyResult> {
  const { cwd, signal } = fillIn(given)
  const prefix = resolve(cwd, given.prefix)
  const findings = await verifyStage(prefix, signal && { signal })
  return { prefix, original: (await findStage(prefix))!.record.original, findings }
}

/** The archive to extract: one of conda-pack's, in the form that we extract, or our own. */
async function archiveFor(environment: Environment, options: Filled<options.PackOptions>): Promise<string> {
  const { packer } = options
  const output = packer === 'conda-pack' ? (await packWithCondaPack(environment, options)).archive : options.output
  const converted = await convertedArchive(environment, output === undefined ? options : { ...options, output })
  return converted ?? (await packUnlessFresh(environment, options)).archive
}

async function packUnlessFresh(
  environment: Environment,
  options: Filled<options.PackOptions>,
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
  const { path, passedOver } = await chooseWritable(choice.candidates, archiveFolders(options))
  for (const other of passedOver) onProgress({ kind: 'info', message: `The archive goes to ${path}: ${other.reason}` })
  const written = await timed(onProgress, { kind: 'phase', phase: 'pack', prefix }, () =>
    writeNewArchive(path, environment, choice, options),
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
async function writeNewArchive(
  path: string,
  environment: Environment,
  choice: Choice,
  options: Filled<options.PackOptions>,
): Promise<boolean> {
  const { onProgress, signal } = options
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
      if (!(await repack(temporary, environment, choice, options)))
        await writeEnvironment(temporary, environment, choice.candidates, options)
      return true
    },
  })
}

/** archive -> index -> room -> frames, relocated in memory -> stage, with its record as the last thing. */
async function extractArchive(
  archive: string,
  environment: Environment,
  options: Filled<options.StageOptions>,
): Promise<options.StageResult> {
  const { onProgress, uid, threads, signal, warnings } = options
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
      const { files, bytes, left, digests } = await timed(onProgress, phase, () =>
        extract({ archive, fd: handle.fd, index, prefix, readOnly, threads, onProgress, signal }),
      )
      for (const message of leftMessages(left, index.prefixes, prefix)) onProgress({ kind: 'warning', message })
      if (readOnly) onProgress({ kind: 'phase', phase: 'read-only', prefix: environment.prefix, target: prefix })
      await copyIndex(archive, index, folder)
      const record = {
        version: 1 as const,
        original: environment.prefix,
        prefix,
        archive: { path: archive, created: index.created },
        created: new Date().toISOString(),
        owner: ownIdentity(),
        readOnly,
        digests: Object.fromEntries(digests),
      }
      await writeRecord(folder, record)
      return { original: environment.prefix, prefix, folder, archive, files, bytes, warnings }
    })
  } finally {
    await handle.close()
  }
}
