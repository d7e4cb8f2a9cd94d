import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { type Shown, whyNotShown } from '../mount/namespace.ts'
import { findProgram } from '../platform/find-program.ts'
import { chooseArchive } from './archive-choice.ts'
import type { InPlaceOptions } from './options.ts'
import { type Filled, findOriginal } from './original.ts'

/** What will be shown at the original's own path. */
interface Place {
  /** That path, with symbolic links resolved. */
  target: string
  /** A fresh image that can be mounted there; undefined: a plain copy. */
  image: Pick<Shown, 'source' | 'server'> | undefined
}

/**
 * Whether a copy can be shown at the original's own path, and as what. If not, a message says why.
 * @throws StageError NO_NAMESPACE, if it can't and must; NO_ARCHIVE, if an image is to be read in place and there is none; what
 *   `findOriginal` throws
 */
export async function placeOfOriginal(options: Filled<InPlaceOptions>): Promise<Place | undefined> {
  const { strict, readInPlace, onProgress } = options
  const environment = await findOriginal(options)
  const { prefix, real: target, isBase } = environment
  const image = isBase ? undefined : await usableImage(environment, options)
  if (image) return { target, image }
  if (readInPlace) throw noImage(prefix)
  // The copy of a base environment has neither.
  const why = isBase
    ? 'the copy of a base environment would hide its envs and pkgs'
    : await whyNotShown({ kind: 'bind', source: target, target })
  if (why === undefined) return { target, image }
  const message = `No copy can stand in the place of ${prefix}: ${why}`
  if (strict)
    throw new StageError('NO_NAMESPACE', message, {
      path: prefix,
      hint: "Without 'strict', a relocated copy is used. docs/exec.md says what a site can change.",
    })
  onProgress({ kind: 'info', message: `${message}. Using a relocated copy` })
  return undefined
}

/** Whoever has made an image wants it to be used. It is mounted once, from where it lies, before it is copied. */
async function usableImage(environment: Environment, options: Filled<InPlaceOptions>): Promise<Place['image']> {
  const { env, force, output, onProgress } = options
  const { prefix, real: target } = environment
  if (force || output !== undefined) return undefined
  const { fresh: source } = await chooseArchive(environment, { ...options, format: 'sqfs' })
  if (source === undefined) return undefined
  const search = { env, variable: 'CONDA_STAGE_SQUASHFUSE', without: [prefix] }
  const server = await findProgram(['squashfuse_ll'], search)
  const why =
    server === undefined
      ? 'there is no squashfuse_ll here (package squashfuse)'
      : await whyNotShown({ kind: 'image', source, target, server })
  if (server !== undefined && why === undefined) return { source, server }
  onProgress({ kind: 'info', message: `The image ${source} is not used: ${why}` })
  return undefined
}

const noImage = (prefix: string): StageError =>
  new StageError('NO_ARCHIVE', `${prefix} has no image that can be read in place`, {
    path: prefix,
    hint: "'conda-stage --pack --format=squashfs' makes one.",
  })
