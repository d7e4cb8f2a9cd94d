// What only one action needs is loaded by that action: whoever joins a copy must not pay for what makes one.
import { dirname, resolve } from 'node:path'
import type { Environment } from './environment/find.ts'
import { giveBack, usersOf } from './pipeline/give-back.ts'
import type * as options from './pipeline/options.ts'
import { type Filled, fillIn, findOriginal, formatFor, pathsOf } from './pipeline/original.ts'
import { prepareStage } from './pipeline/prepare-stage.ts'
import { isShared } from './pipeline/share.ts'
import { shareStage } from './pipeline/share-stage.ts'
import { countProgress, timed } from './pipeline/timing.ts'
import { warnIfLeft } from './pipeline/warn-if-left.ts'
import { findStage, type Stage } from './stage/record.ts'
import { detachStage, MANY_FILES, ownStage } from './stage/remove.ts'

/**
 * Writes the archive of an environment, unless there is a fresh one. Only reads the environment.
 * @throws StageError. An archive that was there is then unchanged, and no half-written file is left.
 */
export async function pack({ format, ...given }: options.PackForElsewhereOptions = {}): Promise<options.PackResult> {
  const options = fillIn(format === undefined || format === 'tar.bz2' ? given : { ...given, format })
  const environment = await findOriginal(options)
  if (options.packer === 'conda-pack') {
    const { packWithCondaPack } = await import('./pipeline/pack-with-conda-pack.ts')
    return await packWithCondaPack(environment, { ...options, ...(format && { format }) })
  }
  if (format === 'tar.bz2') return (await import('./pipeline/pack-bzip2.ts')).packBzip2(environment, options)
  const { packUnlessFresh, resultOf } = await import('./pipeline/pack-unless-fresh.ts')
  return await resultOf(await packUnlessFresh(environment, options), environment, options)
}

/**
 * Makes a relocated copy of an environment on local disk, from its archive. If there is no fresh archive, writes one in
 * the same pass. If a copy with the same contents is there already, joins that one. Activates nothing.
 * @throws StageError. Then nothing is left on the local disk.
 */
export async function stage(given: options.StageOptions = {}): Promise<options.StageResult> {
  const filled = fillIn(given)
  if (filled.archive !== undefined) return await (await import('./pipeline/stage-alone.ts')).stageAlone(filled)
  const format = formatFor(filled)
  const environment = await findOriginal({ ...filled, format })
  const options = { ...filled, format, outside: pathsOf(environment) }
  const notes = await prepareStage(environment, options)
  const result = await stageAs(environment, options)
  for (const message of notes) options.onProgress({ kind: 'info', message })
  return result
}

async function stageAs(environment: Environment, options: Filled<options.StageOptions>): Promise<options.StageResult> {
  if (options.form === 'mount') return (await import('./pipeline/mount-stage.ts')).stageMounted(environment, options)
  if (isShared(options)) return await shareStage(environment, options)
  return (await import('./pipeline/stage-from-archive.ts')).stageFromArchive(environment, options)
}

/**
 * Makes a copy that can be shown to one command at the original's own path: of the environment's image if there is a fresh one.
 * If nothing can be shown there, makes a relocated copy.
 * @throws StageError NO_NAMESPACE with `strict`, and as `stage`
 */
export async function stageInPlace(given: options.InPlaceOptions): Promise<options.InPlaceResult> {
  const { assertNeedsNoPlace, otherPlaces, placeOfOriginal } = await import('./pipeline/in-place.ts')
  if (given.archive !== undefined) {
    assertNeedsNoPlace(given.archive, given)
    return { copy: await stage(given) }
  }
  const place = await placeOfOriginal(fillIn(given))
  if (place === undefined) return { copy: await stage(given) }
  const { target, image } = place
  const copy = image && given.readInPlace ? undefined : await stage({ ...given, form: image ? 'image' : 'plain' })
  const source = copy?.prefix ?? image!.source
  const shown = { kind: image ? ('image' as const) : ('bind' as const), target, ...image, source }
  return { ...(copy && { copy }), shown: { ...shown, alsoAt: await otherPlaces(shown) } }
}

/**
 * Gives a staged copy back, and removes it unless others use it. A session in which it is active must leave it first.
 * @param sweepBehind called with the local folder if there is much to remove. By then the copy no longer counts as one, and the
 *   next sweep of that folder removes its files. Without this parameter, the copy is gone when the promise resolves.
 * @throws StageError NOT_STAGED, TARGET_UNSAFE
 */
export async function unstage(
  given: options.UnstageOptions,
  sweepBehind?: (local: string) => void,
): Promise<options.UnstageResult> {
  const options = fillIn(given)
  const { cwd, uid } = options
  const stage = await ownStage(resolve(cwd, given.prefix), uid)
  const { kept, base } = await giveBack(stage, options)
  const { original, prefix } = stage.record
  const result = kept ? { original, prefix, kept } : await removeStage(stage, options, sweepBehind)
  // Its copy starts from there, so that one comes first. Whoever gave the base's back before is right, too.
  if (base && (await findStage(base.prefix))) await unstage({ ...given, ...base }, sweepBehind)
  return result
}

async function removeStage(
  stage: Stage,
  { onProgress }: Filled<options.UnstageOptions>,
  sweepBehind?: (local: string) => void,
): Promise<options.UnstageResult> {
  const { original, prefix, form, files = 0 } = stage.record
  return await timed(onProgress, { kind: 'phase', phase: 'remove', prefix, target: stage.folder }, async () => {
    const remove = await detachStage(stage)
    if (remove === 'in use') return { original, prefix, kept: { users: await usersOf(stage) } }
    if (remove === 'gone') return { original, prefix }
    const report = countProgress('remove', onProgress)
    // Of a mount, there is little to remove, and whoever unstages wants it to be away.
    if (sweepBehind && form !== 'mount' && files >= MANY_FILES) sweepBehind(dirname(stage.folder))
    else
      await warnIfLeft(
        remove((done) => report(done, files)),
        onProgress,
      )
    return { original, prefix }
  })
}

/**
 * Searches a staged copy for the original prefix, and compares the copy with what was archived.
 * @throws StageError NOT_STAGED, ARCHIVE_DAMAGED
 */
export async function verify(given: options.VerifyOptions): Promise<options.VerifyResult> {
  const { cwd, signal, onProgress } = fillIn(given)
  const prefix = resolve(cwd, given.prefix)
  const { verifyStage } = await import('./stage/verify.ts')
  const findings = await timed(onProgress, { kind: 'phase', phase: 'verify', prefix }, () =>
    verifyStage(prefix, { signal, onChecked: countProgress('verify', onProgress) }),
  )
  return { prefix, original: (await findStage(prefix))!.record.original, findings }
}

/**
 * Reads a whole archive, and checks everything that it says. The archive need not be trusted.
 * @throws StageError NO_ARCHIVE, ARCHIVE_FOREIGN, ARCHIVE_VERSION, ARCHIVE_UNREADABLE, CANCELLED
 */
export async function verifyArchive(given: options.VerifyArchiveOptions): Promise<options.VerifyArchiveResult> {
  const { verifyArchiveOf } = await import('./pipeline/verify-archive.ts')
  return await verifyArchiveOf(fillIn(given))
}
