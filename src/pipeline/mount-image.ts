import { dirname, join } from 'node:path'
import { DEFAULT_LEVEL } from '../archive/codec.ts'
import { readHead, readIndex } from '../archive/reader.ts'
import { archiveItems } from '../archive/reuse/archive-items.ts'
import { writeArchive } from '../archive/writer.ts'
import { leaveScripts } from '../auto-stage/script.ts'
import {
  archiveFolders,
  chooseWritable,
  openTrusted,
  openTrustedIfThere,
  ownFolders,
  publishArchive,
} from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { imageMaker } from '../image/image-programs.ts'
import { RelocatedMembers } from '../image/relocated-members.ts'
import { assertAsPacked } from '../image/write-image.ts'
import type { ArchiveHead, ArchiveIndex, Relocated } from '../model/archive-index.ts'
import { shortHash } from '../model/digest.ts'
import { cutName, LONGEST_NAME } from '../model/file-names.ts'
import { kindIn } from '../model/kind.ts'
import { closeRead } from '../platform/close.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { findLocalFolder } from '../platform/local-disk.ts'
import { packageRoot, programVersion } from '../platform/program.ts'
import { addedEntries } from '../stage/own-files.ts'
import { contentsOf, placeFor, wantedLength } from '../stage/place.ts'
import { folderOf } from '../stage/record.ts'
import type { LeftFile } from '../workers/protocol.ts'
import { type Choice, chooseArchive, isDamage } from './archive-choice.ts'
import { archiveFor } from './archive-for.ts'
import { leftMessages } from './left-messages.ts'
import type { StageOptions } from './options.ts'
import { type Filled, pathsOf } from './original.ts'
import type { AloneFacts } from './share.ts'
import { timedInfo } from './timing.ts'

/** An image that is relocated to the path at which it is mounted. */
export interface MountImage {
  path: string
  head: ArchiveHead & { relocated: Relocated }
}

type Options = Filled<StageOptions & AloneFacts>

/**
 * The user's image of an environment for mounting below `base`, if it is fresh.
 * @param base a folder, with symbolic links resolved
 * @throws StageError ARCHIVE_FOREIGN and the like, as `chooseArchive`
 */
export async function freshMountImage(
  environment: Environment,
  base: string,
  options: Options,
): Promise<MountImage | undefined> {
  const path = imagePath(environment, options)
  const { fresh, head, damaged } = options.aloneArchive
    ? await imageOfAlone(path, options.aloneArchive, options)
    : await chooseArchive(environment, { ...options, output: path })
  if (damaged) options.onProgress({ kind: 'warning', message: `${damaged.message}. Making it again` })
  const relocated = head?.relocated
  if (fresh === undefined || relocated === undefined || relocated.launcher !== launcher()) return undefined
  if (dirname(folderOf(relocated.prefix) ?? '/') !== base) return undefined
  return { path, head: { ...head!, relocated } }
}

/**
 * Makes that image from the environment's archive, which is packed first if it is not fresh.
 * @throws StageError NO_PROGRAM, IMAGE_FAILED, and as packing an archive
 */
export async function makeMountImage(environment: Environment, base: string, options: Options): Promise<MountImage> {
  const { onProgress, signal, uid } = options
  const archive = options.aloneArchive?.path ?? (await packedFor(environment, options))
  const { path } = await chooseWritable([imagePath(environment, options)], ownFolders(options), pathsOf(environment))
  const said = { message: `Making an image that can be mounted: ${path}`, what: 'image' }
  return await timedInfo(onProgress, said, () =>
    publishArchive({
      path,
      owners: [uid],
      ...(signal && { signal }),
      onWait: () => onProgress({ kind: 'info', message: `Another conda-stage is making ${path}: waiting for it` }),
      already: () => freshMountImage(environment, base, options),
      write: async (temporary) => ({
        path,
        head: await writeFrom(archive, temporary, { environment, base, options }),
      }),
    }),
  )
}

async function packedFor(environment: Environment, options: Options): Promise<string> {
  const packed = await archiveFor(environment, options, { alone: true })
  if ('lost' in packed) throw packed.lost
  return packed.archive
}

/** Its path follows from the archive's contents. So it is fresh for ever, if it is whole and of the same time. */
async function imageOfAlone(
  path: string,
  { created }: NonNullable<Options['aloneArchive']>,
  { uid }: Options,
): Promise<Pick<Choice, 'fresh' | 'head' | 'damaged'>> {
  const handle = await openTrustedIfThere(path, [uid])
  if (handle === undefined) return {}
  try {
    const head = await readHead(path, handle)
    return head.created === created ? { fresh: path, head } : {}
  } catch (error) {
    if (!isDamage(error)) throw error
    return { damaged: error }
  } finally {
    await closeRead(handle)
  }
}

/**
 * In the folder that holds the archives of many environments, since it is of use to one user only: the path at which it is mounted
 * follows from the user's number.
 */
function imagePath({ real, name }: Environment, options: Options): string {
  const ending = `-${shortHash(`${options.uid} mount ${options.alone ?? real}`)}.sqfs`
  return join(archiveFolders(options)[0]!, `${cutName(name, LONGEST_NAME - ending.length)}${ending}`)
}

const launcher = (): string => `${packageRoot()}/bin/conda-stage`

interface Making {
  environment: Environment
  base: string
  options: Options
}

async function writeFrom(archive: string, path: string, { environment, base, options }: Making) {
  const { uid, env, signal, onProgress, threads = defaultThreads() } = options
  const handle = await openTrusted(archive, [uid, environment.ownerUid])
  try {
    const index = await readIndex(archive, handle)
    const prefix = prefixFor(index, { environment, base, options })
    const relocated: Relocated = { prefix, launcher: launcher(), warnings: [], digests: {} }
    const left: LeftFile[] = []
    let packed: RelocatedMembers | undefined
    const makeImage = await imageMaker({
      env,
      without: [environment.prefix],
      level: DEFAULT_LEVEL.sqfs,
      threads,
      localFolder: async () => (await findLocalFolder({ ...options, needed: { bytes: 0, inodes: 0 } })).path,
      signal,
    })
    const isVenv = kindIn(index.entries) === 'venv'
    const added = isVenv ? [] : addedEntries(index.entries, leaveScripts(launcher()))
    onProgress({ kind: 'detail', message: `Making the image for ${prefix} from ${archive}` })
    const { name, prefixes, siblings, platform, created, whole } = index
    const generator = `conda-stage ${programVersion()}`
    const facts = {
      name,
      prefixes,
      platform,
      created,
      generator,
      ...(siblings && { siblings }),
      ...(whole && { whole }),
    }
    await writeArchive({
      path,
      format: 'sqfs',
      threads,
      header: { ...facts, relocated },
      items: archiveItems(archive, handle, index),
      makeImage,
      // What could not be relocated is known when all files are written, and stands in the index behind them.
      inImage: (members) => {
        packed = new RelocatedMembers(members, {
          index,
          relocated,
          added,
          onLeft: (file) => {
            left.push(file)
            relocated.warnings = leftMessages(left, prefixes, prefix)
          },
        })
        return packed
      },
      ...(signal && { signal }),
    })
    await assertAsPacked(path, packed!.packed)
    return { ...(await readHead(path)), relocated }
  } finally {
    await closeRead(handle)
  }
}

/** The same on every node, for this user and these contents. */
function prefixFor(index: ArchiveIndex, { environment, base, options }: Making): string {
  const contents = contentsOf(environment.real, index.created, options.uid, { form: 'mount', alone: options.alone })
  const local = { path: base, real: base, created: false }
  return placeFor({ local, name: environment.name, length: wantedLength(index), contents }).prefix
}
