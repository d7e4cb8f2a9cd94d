import type { WrittenArchive } from '../archive/writer.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { fsPath } from '../model/byte-path.ts'
import type { ListedName } from '../model/listed.ts'
import { findLocalFolder, type LocalFolder } from '../platform/local-disk.ts'
import { readHead } from '../platform/read-small.ts'
import { lstat } from '../platform/remote-fs.ts'
import { DirectStage } from '../stage/direct-stage.ts'
import { type ExtractResult, publishTree } from '../stage/finish-tree.ts'
import { fileOf } from '../stage/noted-archive.ts'
import { contentsOf, type Place, withNewPlace } from '../stage/place.ts'
import { leastRoom } from '../stage/room.ts'
import type { FrameWorkers } from '../workers/pool.ts'
import { completeStage } from './complete-stage.ts'
import { prepareLocal } from './local.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { otherCopies } from './other-copies.ts'
import { isShared } from './share.ts'
import { timed } from './timing.ts'

/** A stage whose files are all written: what is left is what needs the archive's index. One of these must be called. */
export interface StageBegun {
  /** @throws StageError with what went wrong with the stage */
  finish(): Promise<StageResult>
  /**
   * The same with the archive named in its record. Undefined if there was no room for the stage: then one can be extracted
   * from the archive elsewhere, or that reports how much room it takes.
   */
  finishFrom(archive: string): Promise<StageResult | undefined>
  /** Removes what was made of the stage. */
  giveUp(error: unknown): Promise<void>
}

/**
 * A stage that is being made while its archive is written, so that each file is read once from the original. Neither fails
 * with the other: what goes wrong with the stage shows when it is finished.
 */
export interface StageWhilePacking {
  /** Undefined if it has failed already. */
  direct: DirectStage | undefined
  finish(written: WrittenArchive): Promise<StageResult>
  finishFrom(written: WrittenArchive, archive: string): Promise<StageResult | undefined>
  giveUp(error: unknown): Promise<void>
}

interface Contents {
  /** The files that conda's records list. */
  recorded: readonly ListedName[]
  /** They write the files. */
  workers: FrameWorkers
  /** Original prefixes, as the relocations number them. */
  prefixes: readonly string[]
  /** When the archive is written, as it will say (ISO 8601). */
  created: string
}

/** Undefined if no stage can be begun now: then it is made from the archive, and that reports what is wrong. */
export type BeginStage = (contents: Contents) => Promise<StageWhilePacking | undefined>

/** What the stage waits for: the archive when it is written, `path` only if that has gone well. */
type Packed = WrittenArchive & { path?: string }

export async function beginStage(
  environment: Environment,
  options: Filled<StageOptions>,
  contents: Contents,
): Promise<StageWhilePacking | undefined> {
  const needed = leastRoom(contents.recorded)
  const local = await findLocalFolder({ ...options, needed }).catch(undefinedIfExpected)
  if (local === undefined) return undefined
  await prepareLocal(local, options)
  const packed = Promise.withResolvers<Packed>()
  const begun = Promise.withResolvers<DirectStage | undefined>()
  const stage = make({ local, environment, contents, packed: packed.promise, onBegun: begun.resolve }, options)
  // Failures surface in finish(); until then they must not count as unhandled, and the archive goes on without the stage.
  packed.promise.catch(() => {})
  stage.catch(() => begun.resolve(undefined))
  return {
    direct: await begun.promise,
    async finish(written) {
      packed.resolve(written)
      return await stage
    },
    async finishFrom(written, path) {
      packed.resolve({ ...written, path })
      return await stage.catch((error: unknown) => {
        if (isOutOfRoom(error)) return undefined
        throw error
      })
    },
    async giveUp(error) {
      packed.reject(error)
      await stage.catch(() => {})
    },
  }
}

interface Making {
  local: LocalFolder
  environment: Environment
  contents: Contents
  packed: Promise<Packed>
  onBegun(stage: DirectStage): void
}

async function make(making: Making, options: Filled<StageOptions>): Promise<StageResult> {
  const { local, environment, contents, packed } = making
  const { uid, signal } = options
  const { name } = environment
  const length = await likelyLength(contents)
  const derived = isShared(options)
    ? contentsOf(environment.real, contents.created, uid, { form: options.form, base: options.base })
    : undefined
  return await withNewPlace({ local, name, length, uid, contents: derived }, async (place) => {
    const result = await publishTree({ prefix: place.prefix, signal }, (root) => fill(root, place, making, options))
    const { index, path: archive, ...bytes } = await packed
    const file =
      archive === undefined ? undefined : await lstat(archive, { bigint: true }).then(fileOf, () => undefined)
    return await completeStage({ place, archive, file, index, bytes, result }, environment, options)
  })
}

async function fill(
  root: string,
  { prefix, folder }: Place,
  { local, environment, contents, packed, onBegun }: Making,
  options: Filled<StageOptions>,
): Promise<ExtractResult> {
  const { uid, signal, writable, form, onProgress } = options
  const stage = new DirectStage({
    root,
    prefix,
    from: contents.prefixes,
    isPlain: form === 'plain',
    readOnly: writable !== true,
    room: local.available,
    workers: contents.workers,
    signal,
  })
  try {
    onBegun(stage)
    const { path: archive, index } = await packed
    const phase = { kind: 'phase', phase: 'extract', prefix: environment.prefix, target: folder } as const
    return await timed(onProgress, { ...phase, ...(archive !== undefined && { archive }) }, async () => {
      const copies = writable ? [] : await otherCopies(local.real, index, { uid })
      const result = await stage.finish(index, copies)
      const { files, bytes } = result
      // All at once: the files were written while they were packed.
      onProgress({ kind: 'progress', phase: 'extract', files, totalFiles: files, bytes, totalBytes: bytes })
      return result
    })
  } finally {
    await stage.stop()
  }
}

function undefinedIfExpected(error: unknown): undefined {
  if (!(error instanceof StageError)) throw error
}

const isOutOfRoom = (error: unknown): boolean =>
  error instanceof StageError && (error.code === 'NO_SPACE' || error.code === 'NO_INODES')

/** Texts that are searched if the environment has several prefixes, and the bytes of each. */
const SAMPLES = 8
const SAMPLE_BYTES = 64 * 1024

/** Bytes of the original prefix that occurs most often, judged by a few texts into which conda has put a prefix. */
async function likelyLength({ prefixes, recorded }: Contents): Promise<number> {
  if (prefixes.length === 1) return Buffer.byteLength(prefixes[0]!)
  const texts = recorded.filter(({ placeholder }) => placeholder?.mode === 'text').slice(0, SAMPLES)
  const counts = prefixes.map(() => 0)
  for (const { path } of texts) {
    const text = await readHead(fsPath(prefixes[0]!, path), SAMPLE_BYTES).then(String, () => '')
    for (const [at, each] of prefixes.entries()) counts[at]! += text.split(each).length - 1
  }
  return Buffer.byteLength(prefixes[counts.indexOf(Math.max(...counts))]!)
}
