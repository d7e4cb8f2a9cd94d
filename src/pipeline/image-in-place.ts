import { openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { type Shown, whyNoImages, whyNotShown } from '../mount/namespace.ts'
import { closeRead } from '../platform/close.ts'
import { chooseArchive } from './archive-choice.ts'
import type { InPlaceOptions } from './options.ts'
import { type Filled, findOriginal } from './original.ts'

type Options = Filled<InPlaceOptions>

/**
 * Whether an image is to be shown at the original's own path: if one is asked for (`format`), or a fresh one is there.
 * @returns that path, with symbolic links resolved
 */
export async function placeForImage(options: Options): Promise<string | undefined> {
  const { output, packer, force, format, onProgress } = options
  const isAsked = format === 'sqfs' || options.inPlace === true
  // What these ask for is no image.
  if (!isAsked && (output !== undefined || packer === 'conda-pack' || force)) return undefined
  const environment = await findOriginal(options)
  if (environment.isBase) return undefined
  if (!isAsked && (await freshImage(environment, options)) === undefined) return undefined
  const why = whyNoImages()
  if (why === undefined) return environment.real
  const message = `The image can't be mounted: ${why}. Using files instead`
  onProgress({ kind: isAsked ? 'info' : 'detail', message })
  return undefined
}

/** The image where it lies, if it is fresh and can be mounted. Otherwise a message says why not. */
export async function imageInPlace(target: string, options: Options): Promise<Shown | undefined> {
  const { onProgress, uid } = options
  const environment = await findOriginal(options)
  const image = await freshImage(environment, options)
  if (image === undefined) {
    const how = 'conda-stage --pack --format=squashfs'
    onProgress({
      kind: 'info',
      message: `There is no image of ${environment.prefix} that is up to date (${how}): using a copy`,
    })
    return undefined
  }
  await closeRead(await openTrusted(image, [uid, environment.ownerUid]))
  return await ifShown({ kind: 'image', source: image, target }, options)
}

/** What is to be shown, if that works: it is tried. Otherwise a message says why not. */
export async function ifShown(shown: Shown, { onProgress }: Pick<Options, 'onProgress'>): Promise<Shown | undefined> {
  const why = await whyNotShown(shown)
  if (why === undefined) return shown
  onProgress({ kind: 'info', message: `The image can't be mounted: ${why}. Using files instead` })
  return undefined
}

/** Whatever is wrong with it only means that it is not used. */
async function freshImage(environment: Environment, { output: _, ...options }: Options): Promise<string | undefined> {
  try {
    return (await chooseArchive(environment, { ...options, format: 'sqfs', force: false })).fresh
  } catch (error) {
    if (error instanceof StageError && error.code !== 'CANCELLED') return undefined
    throw error
  }
}
