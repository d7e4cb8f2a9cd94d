import { readFile } from 'node:fs/promises'
import type { WrittenArchive } from '../archive/writer.ts'
import type { Environment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { fsPath } from '../model/byte-path.ts'
import type { TakeFrame } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import { findLocalFolder, type LocalFolder } from '../platform/local-disk.ts'
import { DirectStage } from '../stage/direct-stage.ts'
import { publishTree } from '../stage/finish-tree.ts'
import { withNewPlace } from '../stage/place.ts'
import { leastRoom } from '../stage/room.ts'
import { sweepDebris } from '../stage/sweep.ts'
import type { FrameWorkers } from '../workers/pool.ts'
import { completeStage } from './complete-stage.ts'
import { localMessages } from './local-messages.ts'
import type { StageOptions, StageResult } from './options.ts'
import type { Filled } from './original.ts'
import { timed } from './timing.ts'

/** The archive when it is written: `path` only where that has gone well. */
export type Packed = WrittenArchive & { path?: string }

/**
 * A stage that is made while its archive is being written, so that each file is read once from the original. Neither
 * fails with the other: what goes wrong with the archive is in `packed`, and with the stage shows in `finish`.
 */
export class OnePass {
  readonly #environment: Environment
  readonly #options: Filled<StageOptions>
  readonly #packed = Promise.withResolvers<Packed>()
  #stage: Promise<StageResult> | undefined
  /** Set when everything was packed, whether or not there is an archive. */
  packed: WrittenArchive | undefined

  constructor(environment: Environment, options: Filled<StageOptions>) {
    this.#environment = environment
    this.#options = options
    // Whoever waits for the stage gets it.
    this.#packed.promise.catch(() => {})
  }

  /** Begins the stage. Undefined where that can't be done now: then it is made from the archive, and what is wrong shows there. */
  async begin(
    listed: readonly Listed[],
    { workers, prefixes }: { workers: FrameWorkers; prefixes: readonly string[] },
  ): Promise<TakeFrame | undefined> {
    const { uid, onProgress } = this.#options
    const needed = leastRoom(listed)
    const local = await findLocalFolder({ ...this.#options, needed }).catch(ofExpected)
    if (local === undefined) return undefined
    for (const message of localMessages(local)) onProgress({ kind: 'detail', message })
    for (const debris of await sweepDebris(local.real, { uid }))
      onProgress({ kind: 'debug', message: `Removed what a killed conda-stage left: ${debris}` })
    const begun = Promise.withResolvers<TakeFrame>()
    this.#stage = this.#make(local, { listed, workers, prefixes }, (stage) => begun.resolve(stage.takeFrame))
    this.#stage.catch(() => begun.resolve(async () => {}))
    return await begun.promise
  }

  async #make(
    local: LocalFolder,
    { listed, workers, prefixes }: { listed: readonly Listed[]; workers: FrameWorkers; prefixes: readonly string[] },
    onBegun: (stage: DirectStage) => void,
  ): Promise<StageResult> {
    const { uid, signal, writable, onProgress } = this.#options
    const { name, prefix: original } = this.#environment
    const length = await lengthWanted(prefixes, listed)
    return await withNewPlace({ local, name, length, uid }, async (place) => {
      const { folder, prefix } = place
      const { packed, result } = await publishTree({ prefix, signal }, async (root) => {
        const stage = new DirectStage({
          root,
          prefix,
          from: prefixes,
          readOnly: writable !== true,
          folders: listed.filter((entry) => entry.type === 'directory'),
          room: local.available,
          workers,
          signal,
        })
        try {
          onBegun(stage)
          const packed = await this.#packed.promise
          const archive = packed.path
          const phase = { kind: 'phase', phase: 'extract', prefix: original, target: folder } as const
          const result = await timed(onProgress, { ...phase, ...(archive !== undefined && { archive }) }, async () => {
            const { files, bytes, ...rest } = await stage.finish(packed.index)
            // All at once: it was written while it was packed.
            const totals = { files, totalFiles: files, bytes, totalBytes: bytes }
            onProgress({ kind: 'progress', phase: 'extract', ...totals })
            return { files, bytes, ...rest }
          })
          return { packed, result }
        } finally {
          await stage.stop()
        }
      })
      const extracted = { place, archive: packed.path, index: packed.index, bytes: packed, result }
      return await completeStage(extracted, this.#environment, this.#options)
    })
  }

  /**
   * The stage, when all was packed. Undefined where there is none because there was no room: from the archive one can be made
   * elsewhere, or told how much room it takes.
   * @throws StageError with what went wrong with it otherwise
   */
  async finish(path: string | undefined): Promise<StageResult | undefined> {
    if (this.#stage === undefined || this.packed === undefined) return undefined
    this.#packed.resolve({ ...this.packed, ...(path !== undefined && { path }) })
    return await this.#stage.catch((error: unknown) => {
      if (path !== undefined && isOutOfRoom(error)) return undefined
      throw error
    })
  }

  /** Takes away what was made of the stage. */
  async giveUp(error: unknown): Promise<void> {
    this.#packed.reject(error)
    await this.#stage?.catch(() => {})
  }
}

function ofExpected(error: unknown): undefined {
  if (!(error instanceof StageError)) throw error
}

const isOutOfRoom = (error: unknown): boolean =>
  error instanceof StageError && (error.code === 'NO_SPACE' || error.code === 'NO_INODES')

/** Texts that are looked into if the environment has several prefixes. */
const SAMPLES = 8

/**
 * Bytes of the original prefix that stands in the most places, as far as a few texts show into which conda has put it.
 */
async function lengthWanted(prefixes: readonly string[], listed: readonly Listed[]): Promise<number> {
  if (prefixes.length === 1) return Buffer.byteLength(prefixes[0]!)
  const texts = listed.filter((entry) => entry.type === 'file' && entry.placeholder?.mode === 'text').slice(0, SAMPLES)
  const counts = prefixes.map(() => 0)
  for (const { path } of texts) {
    const text = await readFile(fsPath(prefixes[0]!, path), 'utf8').catch(() => '')
    for (const [at, each] of prefixes.entries()) counts[at]! += text.split(each).length - 1
  }
  return Buffer.byteLength(prefixes[counts.indexOf(Math.max(...counts))]!)
}
