import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { damaged } from '../archive/failure.ts'
import { readIndex } from '../archive/reader.ts'
import { openTrusted } from '../cache/index.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { inTurn } from '../leases/turn.ts'
import type { ArchiveIndex } from '../model/archive-index.ts'
import { closeRead } from '../platform/close.ts'
import { findLocalFolder, type LocalFolder } from '../platform/local-disk.ts'
import type { Room } from '../platform/room.ts'
import { type IndexBytes, indexBytes } from '../stage/kept-index.ts'
import { contentsOf, type Place, placeFor, wantedLength } from '../stage/place.ts'
import { readRecord, type Stage } from '../stage/record.ts'
import { roomFor } from '../stage/room.ts'
import { type AloneArchive, openAlone } from './alone.ts'
import { archiveFor } from './archive-for.ts'
import { extractOpen } from './extract-archive.ts'
import { joinStage, lookAt } from './join-stage.ts'
import { prepareLocal } from './local.ts'
import type { StageOptions, StageResult } from './options.ts'
import { type Filled, fillIn, findOriginal, pathsOf } from './original.ts'
import { prepareStage } from './prepare-stage.ts'
import type { AloneFacts, LeaseFacts } from './share.ts'
import { turnFor } from './share-stage.ts'

/** A shared copy that several nodes are to have, each at the same path. */
export interface PlannedCopy {
  environment: Environment
  local: Pick<LocalFolder, 'path' | 'real'>
  place: Place
  archive: {
    /** On the shared file system. */
    path: string
    size: number
    created: string
    /** Digest of its index. */
    identity: string
  }
  /** See AloneFacts. */
  alone?: string | undefined
  /** The room that the copy takes up. */
  needed: Room
}

type Options = Filled<StageOptions & LeaseFacts>

/**
 * Packs the environment, unless its archive is fresh, and says where its copy belongs on each node.
 * @throws StageError
 */
export async function planCopy(given: StageOptions): Promise<PlannedCopy> {
  const options = fillIn(given)
  const { environment, archive, alone } = await sourceOf(options)
  return await withArchive(archive, [options.uid, environment.ownerUid], async ({ index, bytes, size }) => {
    const needed = roomFor(index)
    const local = await findLocalFolder({ ...options, needed, outside: pathsOf(environment) })
    const { kind, prefix, real, name, isBase, ownerUid } = environment
    const contents = contentsOf(real, index.created, options.uid, { alone })
    return {
      environment: { kind, prefix, real, name, isBase, ownerUid },
      local: { path: local.path, real: local.real },
      place: placeFor({ local, name, length: wantedLength(index), contents }),
      archive: { path: archive, size, created: index.created, identity: identityOf(bytes) },
      ...(alone !== undefined && { alone }),
      needed,
    }
  })
}

async function sourceOf(options: Options): Promise<Pick<AloneArchive, 'environment' | 'archive'> & AloneFacts> {
  if (options.archive !== undefined) return await openAlone(options)
  const environment = await findOriginal(options)
  for (const message of await prepareStage(environment, options)) options.onProgress({ kind: 'info', message })
  const packed = await archiveFor(environment, options, { alone: true })
  if ('lost' in packed) throw packed.lost
  return { environment, archive: packed.archive }
}

/** Joins the planned copy if it is here already. undefined: it is not. */
export async function joinPlanned(
  plan: PlannedCopy,
  given: StageOptions & LeaseFacts,
): Promise<StageResult | undefined> {
  const options = fillIn(given)
  const stage = await plannedStage(plan, options.uid)
  if (stage === undefined) return undefined
  const wanted = { environment: plan.environment, created: plan.archive.created, damaged: new Set<string>() }
  return await joinStage([stage], { ...wanted, looks: lookAt([stage]) }, options)
}

/**
 * The planned copy, joined or made. The original is not looked at, nor is the archive if `file` is a copy of it.
 * @param file the archive, or a copy of it on this node
 * @throws StageError ARCHIVE_DAMAGED if that is not the planned one, TARGET_UNSAFE if something else has the copy's path, and as
 *   stage(); then nothing is left
 */
export async function stagePlanned(
  plan: PlannedCopy,
  file: string,
  given: StageOptions & LeaseFacts,
): Promise<StageResult> {
  const options = fillIn(given)
  return await inTurn(turnFor(plan.environment, plan.local, options), {
    already: () => joinPlanned(plan, given),
    body: () => extractPlanned(plan, file, options),
  })
}

async function extractPlanned(plan: PlannedCopy, file: string, options: Options): Promise<StageResult> {
  const { environment, archive, place, needed, alone } = plan
  return await withArchive(file, [options.uid, environment.ownerUid], async ({ handle, index, bytes, size }) => {
    if (size !== archive.size || identityOf(bytes) !== archive.identity)
      throw damaged(file, `it is not what ${archive.path} was when the nodes were called`)
    const local = await localFolderOf(plan, needed, options)
    await prepareLocal(local, options)
    const source = { archive: archive.path, handle, index, bytes }
    return await extractOpen(source, { local, only: place }, environment, { ...options, alone })
  })
}

/**
 * The plan's local folder on this node.
 * @throws StageError as findLocalFolder; TARGET_UNSAFE if it is another one here
 */
export async function localFolderOf(
  { local: { path, real } }: Pick<PlannedCopy, 'local'>,
  needed: Room,
  options: StageOptions,
): Promise<LocalFolder> {
  const { CONDA_STAGE_PATH: _, ...env } = fillIn(options).env
  const request = { ...fillIn(options), env, needed }
  const candidates = [{ path, source: 'as on the first node' }]
  const found = await findLocalFolder(options.path === undefined ? { ...request, candidates } : request)
  if (found.real === real) return found
  throw new StageError('TARGET_UNSAFE', `${path} is ${found.real} here, and ${real} where conda-stage was called`, {
    path,
    hint: 'Name a folder that has the same path on all nodes with --path=DIR.',
  })
}

/** A whole shared stage of the planned contents, at the planned place. */
async function plannedStage(
  { place: { folder, prefix }, archive, environment, alone }: PlannedCopy,
  uid: number,
): Promise<Stage | undefined> {
  const record = await readRecord(folder, uid)
  const isIt = record?.prefix === prefix && record.real === environment.real && record.isPrivate === false
  return isIt && record.alone === alone && record.archive.created === archive.created ? { folder, record } : undefined
}

interface OpenArchive {
  handle: FileHandle
  index: ArchiveIndex
  bytes: IndexBytes
  size: number
}

async function withArchive<T>(
  archive: string,
  owners: readonly number[],
  body: (open: OpenArchive) => Promise<T>,
): Promise<T> {
  const handle = await openTrusted(archive, owners)
  try {
    const index = await readIndex(archive, handle)
    const bytes = await indexBytes({ archive, handle }, index)
    return await body({ handle, index, bytes, size: bytes.end.offset + bytes.end.data.length })
  } finally {
    await closeRead(handle)
  }
}

const identityOf = ({ end }: IndexBytes): string => createHash('sha256').update(end.data).digest('hex')
