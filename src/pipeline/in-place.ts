import { dirname } from 'node:path'
import { readHead } from '../archive/reader.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { type Shown, whyNotShown } from '../mount/namespace.ts'
import { findProgram } from '../platform/find-program.ts'
import { realpath, stat } from '../platform/remote-fs.ts'
import { followPath } from '../platform/safe-path.ts'
import { readKeptHead } from '../stage/kept-index.ts'
import { chooseArchive, reasonOf } from './archive-choice.ts'
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

/**
 * An archive by itself has no place: its original need not be there, nor be the same. So a relocated copy is used.
 * @throws StageError NO_NAMESPACE if that will not do
 */
export function assertNeedsNoPlace(
  archive: string,
  { strict, readInPlace }: Pick<InPlaceOptions, 'strict' | 'readInPlace'>,
): void {
  if (!strict && !readInPlace) return
  const how = strict ? "'strict'" : '--in-place'
  throw new StageError(
    'NO_NAMESPACE',
    `${archive} can't be shown at the path of its original, which need not be there`,
    {
      path: archive,
      hint: `Leave out ${how}: then a relocated copy is used. Or restore the environment: conda-stage --restore.`,
    },
  )
}

/** Whoever has made an image wants it to be used. It is mounted once, from where it lies, before it is copied. */
async function usableImage(environment: Environment, options: Filled<InPlaceOptions>): Promise<Place['image']> {
  const { env, force, output, readInPlace, onProgress } = options
  const { prefix, real: target } = environment
  if (force || output !== undefined) return undefined
  const notUsed = (image: string, why: string): undefined =>
    onProgress({ kind: 'info', message: `The image ${image} is not used: ${why}` }) as undefined
  const source = await freshImage(environment, options)
  if (source === undefined) return undefined
  const exposed = readInPlace ? await exposureOf(source, environment, options) : undefined
  if (exposed !== undefined) return notUsed(source, exposed)
  const search = { env, variable: 'CONDA_STAGE_SQUASHFUSE', without: [prefix] }
  const server = await findProgram(['squashfuse_ll'], search)
  const why =
    server === undefined
      ? 'there is no squashfuse_ll here (package squashfuse)'
      : await whyNotShown({ kind: 'image', source, target, server })
  if (server !== undefined && why === undefined) return { source, server }
  return notUsed(source, why!)
}

/** What is wrong with an image must not keep a command from running from files. */
async function freshImage(environment: Environment, options: Filled<InPlaceOptions>): Promise<string | undefined> {
  try {
    const choice = await chooseArchive(environment, { ...options, format: 'sqfs' })
    const { fresh, stale, damaged } = choice
    const why = fresh === undefined && (stale ?? damaged) && reasonOf(choice)
    if (why) options.onProgress({ kind: 'info', message: `${why}. 'conda-stage --pack --format=squashfs' renews it` })
    return fresh
  } catch (error) {
    if (!(error instanceof StageError) || error.code === 'CANCELLED') throw error
    options.onProgress({ kind: 'info', message: error.message })
    return undefined
  }
}

/**
 * What lets others put another file in the image's place between our look at it and the server's, which opens it by its name. The
 * environment's owner may do that, as they may change the environment. A copy is made of the very file that was looked at.
 */
async function exposureOf(
  image: string,
  { ownerUid }: Environment,
  { uid }: Filled<InPlaceOptions>,
): Promise<string | undefined> {
  const [ours, theirs] = await Promise.all([uid, ownerUid].map((user) => followPath(dirname(image), user)))
  if (ours?.exposed === undefined || theirs?.exposed === undefined) return undefined
  return `${ours.exposed.path} ${ours.exposed.what}, so others can put another file in its place`
}

/**
 * The paths of the original that lead there by another mount of its file system and not by a symbolic link, of those by which its
 * files name it.
 */
export async function otherPlaces({ kind, source, target }: Shown): Promise<string[]> {
  const { prefixes } = await (kind === 'image' ? readHead(source) : readKeptHead(dirname(source)))
  const real = await Promise.all(prefixes.map((prefix) => realpath(prefix).catch(() => target)))
  const own = await identityOf(target)
  const others = [...new Set(real)].filter((path) => path !== target)
  const identities = await Promise.all(others.map(identityOf))
  return others.filter((_, at) => own !== undefined && identities[at] === own)
}

const identityOf = (path: string): Promise<string | undefined> =>
  stat(path).then(
    ({ dev, ino }) => `${dev} ${ino}`,
    () => undefined,
  )

const noImage = (prefix: string): StageError =>
  new StageError('NO_ARCHIVE', `${prefix} has no image that can be read in place`, {
    path: prefix,
    hint: "'conda-stage --pack --format=squashfs' makes one.",
  })
