import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { type Shown, whyNoImages, whyNotShown } from '../mount/namespace.ts'
import { chooseArchive } from './archive-choice.ts'
import type { InPlaceOptions } from './options.ts'
import { type Filled, findOriginal } from './original.ts'

type Options = Filled<InPlaceOptions>

/** An image that is to be shown at the original's own path. */
interface Wanted {
  /** That path, with symbolic links resolved. */
  target: string
  /** A fresh one, where it lies. undefined: it is still to be made. */
  image: string | undefined
}

/** undefined if no image is asked for (`format`, `inPlace`) and no fresh one is there, or none can be mounted; a message says why. */
export async function wantedImage(options: Options): Promise<Wanted | undefined> {
  const { output, packer, force, format, inPlace, onProgress } = options
  const isAsked = format === 'sqfs' || inPlace === true
  // What these ask for is no image.
  if (!isAsked && (output !== undefined || packer === 'conda-pack' || force)) return undefined
  const environment = await findOriginal(options)
  if (environment.isBase) return undefined
  const image = await freshImage(environment, options)
  if (image === undefined && inPlace) {
    const how = "'conda-stage --pack --format=squashfs' makes one"
    onProgress({
      kind: 'info',
      message: `${environment.prefix} has no image that is up to date (${how}). Using a copy`,
    })
  }
  if (image === undefined && format !== 'sqfs') return undefined
  const why = whyNoImages()
  if (why === undefined) return { target: environment.real, image }
  onProgress({ kind: isAsked ? 'info' : 'detail', message: notMounted(why) })
  return undefined
}

/** What is to be shown, if that works: it is tried. Otherwise a message says why not. */
export async function ifShown(
  source: string,
  { target }: Wanted,
  { onProgress }: Pick<Options, 'onProgress'>,
): Promise<Shown | undefined> {
  const shown = { kind: 'image', source, target } as const
  const why = await whyNotShown(shown)
  if (why === undefined) return shown
  onProgress({ kind: 'info', message: notMounted(why) })
  return undefined
}

const notMounted = (why: string): string => `The image can't be mounted: ${why}. Using files instead`

/** Whatever is wrong with it only means that it is not used. */
async function freshImage(environment: Environment, { output: _, ...options }: Options): Promise<string | undefined> {
  try {
    return (await chooseArchive(environment, { ...options, format: 'sqfs', force: false })).fresh
  } catch (error) {
    if (error instanceof StageError && error.code !== 'CANCELLED') return undefined
    throw error
  }
}
