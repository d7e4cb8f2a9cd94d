import { type FileHandle, mkdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readFrames, readHead } from '../archive/reader.ts'
import { openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { isCancelled, StageError } from '../errors.ts'
import { copyImage } from '../image/copy-image.ts'
import { inTurn } from '../leases/turn.ts'
import { findMounter, type Mounter, mountImage, notMounted } from '../mount/open-mount.ts'
import { closeRead } from '../platform/close.ts'
import { lifeOf } from '../platform/job.ts'
import { findLocalFolder, type LocalFolder } from '../platform/local-disk.ts'
import { imagesMountedBelow, unmountImage } from '../platform/own-mounts.ts'
import type { Room } from '../platform/room.ts'
import { followPath } from '../platform/safe-path.ts'
import { imageIndexBytes, keepIndex } from '../stage/kept-index.ts'
import { isServerDead, mountFault } from '../stage/mount-fault.ts'
import { IMAGE, SERVER_LOG } from '../stage/names.ts'
import { type Place, withNewPlace } from '../stage/place.ts'
import { folderOf, readRecord, type Stage, type StageRecord, writeRecord } from '../stage/record.ts'
import { roomForFile } from '../stage/room.ts'
import { isDamage } from './archive-choice.ts'
import { publishStage, recordOf } from './complete-stage.ts'
import { joinStage } from './join-stage.ts'
import { prepareLocal } from './local.ts'
import { freshMountImage, type MountImage, makeMountImage } from './mount-image.ts'
import type { StageOptions, StageResult } from './options.ts'
import { type Filled, fillIn } from './original.ts'
import type { AloneFacts } from './share.ts'
import { shareStage, turnFor } from './share-stage.ts'

type Options = Filled<StageOptions & AloneFacts>

/**
 * A stage whose prefix is the mount point of an image: nothing is extracted. Where that is not possible, an extracted copy, with the
 * reason in one line.
 * @param otherwise extracts it
 */
export async function stageMounted(
  environment: Environment,
  options: Options,
  otherwise: () => Promise<StageResult> = () => shareStage(environment, { ...options, form: 'tree' }),
): Promise<StageResult> {
  try {
    return await mounted(environment, options)
  } catch (error) {
    if (!(error instanceof StageError) || isCancelled(error)) throw error
    options.onProgress({ kind: 'info', message: `Not mounted: ${error.message}. Extracting a copy instead` })
    return await otherwise()
  }
}

/** @throws StageError NOT_MOUNTED, and as making an image */
async function mounted(environment: Environment, options: Options): Promise<StageResult> {
  const mounter = await findMounter(options.env, [environment.prefix, environment.real])
  const local = await baseFolder(options, roomForFile(0))
  // One that is fresh now is taken, even if we wait for our turn. The look costs look-ups in the original.
  let image: MountImage | undefined
  return await inTurn(turnFor(environment, local, options), {
    already: async () => {
      image ??= await freshMountImage(environment, local.real, options)
      return image && (await joinMounted(image, environment, options))
    },
    body: async () => {
      await prepareLocal(local, options)
      const mounting = { environment, mounter, options }
      if (image !== undefined) {
        const staged = await unlessDamaged(image, () => mountNow(image!, mounting), options)
        if (staged !== undefined) return staged
      }
      return await mountNow(await makeMountImage(environment, local.real, options), mounting)
    },
  })
}

/** Copying an image compares its checksums. One that is damaged is removed: looks at its head alone would find it fresh again. */
async function unlessDamaged<T>(
  { path }: MountImage,
  body: () => Promise<T>,
  { onProgress }: Options,
): Promise<T | undefined> {
  try {
    return await body()
  } catch (error) {
    if (!isDamage(error) || error.path !== path) throw error
    onProgress({ kind: 'warning', message: `${error.message}. Making it again` })
    await unlink(path).catch(() => {})
    return undefined
  }
}

/**
 * The folder that all nodes have, in which the path of a mount is the same on each. Folders of jobs come and go, and the image is
 * relocated to that path.
 */
const baseFolder = (options: Options, needed: Room): Promise<LocalFolder> =>
  findLocalFolder({
    ...options,
    needed,
    candidates: [{ path: '/tmp', source: 'the same on all nodes' }],
  })

/** Joins a mount that lives, and lives as long as we do. */
async function joinMounted(
  image: MountImage,
  environment: Environment,
  options: Options,
): Promise<StageResult | undefined> {
  const stage = await stageAt(image, environment, options)
  if (stage === undefined || mountFault(stage.record) !== undefined || isOfOthers(stage, options)) return undefined
  const { created } = image.head
  const looks = new Map([[stage.folder, Promise.resolve(undefined)]])
  return await joinStage([stage], { environment, created, damaged: new Set(), looks }, options)
}

/** The stage at the image's path, whatever became of its mount. */
async function stageAt(
  { head: { relocated, created } }: MountImage,
  { real }: Environment,
  { uid, alone }: Options,
): Promise<Stage | undefined> {
  const folder = folderOf(relocated.prefix)!
  const record = await readRecord(folder, uid)
  const isIt = record?.form === 'mount' && record.real === real && record.archive.created === created
  return isIt && record.alone === alone && record.prefix === relocated.prefix ? { folder, record } : undefined
}

/** The server of a mount ends with the step of the job that has started it. */
const isOfOthers = ({ record: { mount } }: Stage, { env }: Options): boolean => mount?.life !== lifeOf(env)

interface Mounting {
  environment: Environment
  mounter: Mounter
  options: Options
}

/** Mounts the image at its path: there is no other for it. */
async function mountNow(image: MountImage, mounting: Mounting): Promise<StageResult> {
  const { environment, options } = mounting
  const stage = await stageAt(image, environment, options)
  if (stage === undefined) return await mountAnew(image, mounting)
  if (isServerDead(stage.record)) await revive(stage, mounting)
  // Another call may have made and mounted the image that we wanted to make.
  const joined = await joinMounted(image, environment, options)
  if (joined === undefined) throw notMounted(whyTaken(stage, options))
  return joined
}

function whyTaken(stage: Stage, options: Options): string {
  const { record } = stage
  const { prefix, mount } = record
  const fault = mountFault(record)
  if (fault !== undefined) return `${prefix} is in use elsewhere: ${fault}`
  if (!isOfOthers(stage, options)) return `${prefix} is being unmounted by another process`
  const owner = mount?.life ? `job ${mount.life}` : 'a session outside of this job'
  return `${owner} has mounted the image at ${prefix}, and its mount ends with it`
}

/**
 * Mounts the image of a stage again if its server was killed. Does nothing for any other stage.
 * @throws StageError NOT_MOUNTED
 */
export async function remount(stage: Stage, given: StageOptions): Promise<void> {
  const { folder, record } = stage
  if (!isServerDead(record)) return
  const options = fillIn(given)
  const mounter = await findMounter(options.env, [record.original])
  await inTurn(turnFor({ real: record.real ?? record.original }, { real: dirname(folder) }, options), {
    already: async () => {
      const found = await readRecord(folder, options.uid)
      return found && !isServerDead(found) ? found : undefined
    },
    body: () => revive(stage, { mounter, options }),
  })
}

/** For the sessions that still use it. */
async function revive(
  { folder, record }: Stage,
  { mounter, options }: Pick<Mounting, 'mounter' | 'options'>,
): Promise<StageRecord> {
  const { prefix, mount, archive } = record
  const { uid, env, signal } = options
  options.onProgress({ kind: 'info', message: `The program that served ${prefix} has ended: mounting the image again` })
  for (const point of imagesMountedBelow(folder, uid)) {
    const why = await unmountImage(point)
    if (why !== undefined) throw notMounted(`${point} can't be unmounted: ${why}`)
  }
  const { image } = mount!
  if ((await readHead(image)).created !== archive.created) throw notMounted(`${image} is another image by now`)
  const server = await mountImage(mounter, { image, prefix, log: `${folder}/${SERVER_LOG}`, uid, signal })
  const revived = { ...record, mount: { image, server, life: lifeOf(env) } }
  await writeRecord(folder, revived)
  return revived
}

async function mountAnew(image: MountImage, mounting: Mounting): Promise<StageResult> {
  const { environment, options } = mounting
  const { prefix, warnings } = image.head.relocated
  const { uid } = options
  const handle = await openTrusted(image.path, [uid])
  try {
    const { size } = await handle.stat()
    const inPlace = options.inPlace === true && (await isSafeInPlace(image.path, options))
    const local = await baseFolder(options, roomForFile(inPlace ? 0 : size))
    const place: Place = { folder: folderOf(prefix)!, prefix }
    const wanted = { local, name: environment.name, length: Buffer.byteLength(prefix), uid, only: place }
    for (const message of warnings) options.onProgress({ kind: 'warning', message })
    return await withNewPlace(wanted, () => fill(image, { handle, size, place, inPlace }, mounting))
  } finally {
    await closeRead(handle)
  }
}

interface Source {
  handle: FileHandle
  size: number
  place: Place
  inPlace: boolean
}

/** The server opens the image by its name, when its owner has been checked. A copy is made of the very file that was checked. */
async function isSafeInPlace(path: string, { uid, onProgress }: Options): Promise<boolean> {
  const { exposed } = await followPath(dirname(path), uid)
  if (exposed === undefined) return true
  const why = `${exposed.path} ${exposed.what}, so others can put another file in its place`
  onProgress({ kind: 'info', message: `The image ${path} is copied: ${why}` })
  return false
}

/** image -> local disk -> mount -> stage, with its record as the last thing. */
async function fill(
  { path, head }: MountImage,
  { handle, size, place: { folder, prefix }, inPlace }: Source,
  { environment, mounter, options }: Mounting,
): Promise<StageResult> {
  const { onProgress, uid, env, signal } = options
  const image = inPlace ? path : `${folder}/${IMAGE}`
  if (!inPlace) {
    onProgress({ kind: 'info', message: `Copying the image ${path} to ${folder}` })
    const { frames } = await readFrames(path, handle)
    await copyImage({ image: path, handle, frames, size, to: image, signal })
  }
  await keepIndex(await imageIndexBytes(path, handle, size), folder)
  await mkdir(prefix, { mode: 0o700 })
  const server = await mountImage(mounter, { image, prefix, log: `${folder}/${SERVER_LOG}`, uid, signal })
  const { files, bytes } = head.totals
  const contents = { prefix, files, bytes, digests: head.relocated.digests }
  const record = recordOf({ ...contents, source: { path, created: head.created } }, environment, options)
  return await publishStage(
    { folder, record: { ...record, mount: { image, server, life: lifeOf(env) } } },
    environment,
    options,
  )
}
