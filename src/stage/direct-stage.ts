import type { ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { DirectoryEntry } from '../model/entry.ts'
import type { FramePiece, TakeFrame } from '../model/item.ts'
import { defaultThreads } from '../platform/cpus.ts'
import type { Room } from '../platform/room.ts'
import { currentUmask } from '../platform/umask.ts'
import { FrameWorkers } from '../workers/pool.ts'
import type { LeftFile } from '../workers/protocol.ts'
import type { Piece } from '../workers/work-list.ts'
import { type ExtractResult, finishTree, type LargeFile } from './finish-tree.ts'
import { stagedMode } from './modes.ts'
import { patchLargeFiles } from './rewrite.ts'
import { blocksOf } from './room.ts'
import { utimesSeconds } from './times.ts'
import { makeDirectories, makeLargeFiles } from './tree.ts'

export interface DirectOptions {
  /** Folder to build the tree in, see `publishTree`. */
  root: string
  /** The staged prefix. */
  prefix: string
  /** Original prefixes, as the relocations number them. */
  from: readonly string[]
  readOnly: boolean
  /** All of the environment. */
  folders: readonly DirectoryEntry[]
  /** What may be written at most: the disk is not filled up for a stage that does not fit. */
  room: Room
  /** Worker threads, 3 at most; default: the CPUs that this process may use. */
  threads?: number | undefined
  signal?: AbortSignal | undefined
}

/** Frames come from one thread, which reads, and a worker writes several times as fast: more would only take memory. */
const MOST_WORKERS = 3

/**
 * A stage that is written from the frames of an archive that is being written. What goes wrong here does not show before
 * `finish`: the archive goes on without us.
 */
export class DirectStage {
  readonly #options: DirectOptions
  readonly #workers: FrameWorkers
  readonly #mode: (mode: number) => number
  /** Files that go over several frames: their pieces are written as they are, since nothing is known of their prefixes yet. */
  readonly #large = new Set<BytePath>()
  #written = 0
  #failure: { error: unknown } | undefined

  /** Makes the folders. */
  constructor(options: DirectOptions) {
    const { root, prefix: to, from, threads = defaultThreads() } = options
    this.#options = options
    this.#mode = stagedMode(options.readOnly)
    makeDirectories(root, options.folders)
    this.#workers = new FrameWorkers(
      { kind: 'write', root, from, to, umask: currentUmask() },
      Math.max(1, Math.min(threads, MOST_WORKERS)),
    )
  }

  readonly takeFrame: TakeFrame = async (content, pieces) => {
    if (this.#failure || this.#options.signal?.aborted || pieces.length === 0) return
    try {
      this.#spend(pieces)
      await this.#workers.write(
        content,
        pieces.map((piece) => this.#pieceOf(piece)),
      )
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #spend(pieces: readonly FramePiece[]): void {
    for (const { length } of pieces) this.#written += blocksOf(length)
    if (this.#written > this.#options.room.bytes)
      throw Object.assign(new Error('there is no room for all of it'), { code: 'ENOSPC' })
  }

  #pieceOf({ file, contentOffset, frameOffset, length, relocation }: FramePiece): Piece {
    const { path, mode, mtimeNs, size } = file
    if (length < size && contentOffset === 0) {
      makeLargeFiles(this.#options.root, [path])
      this.#large.add(path)
    }
    const facts = { path, mode: this.#mode(mode), mtime: utimesSeconds(mtimeNs), fileSize: size }
    return { ...facts, contentOffset, frame: 0, frameOffset, length, ...(relocation && { relocation }) }
  }

  /**
   * To be called when the last frame was taken, with what the archive's index says.
   * @throws what a worker has failed with, and as `finishTree`
   */
  async finish(index: ArchiveIndex): Promise<ExtractResult> {
    if (this.#failure) throw this.#failure.error
    const reports = await this.#workers.end()
    const { root, prefix, readOnly, signal, from } = this.#options
    const large = index.entries.flatMap((entry): LargeFile[] => {
      if (entry.type !== 'file' || !this.#large.has(entry.path)) return []
      const { path, mode, mtimeNs, relocation } = entry
      return [{ path, mode: this.#mode(mode), mtime: utimesSeconds(mtimeNs), ...(relocation && { relocation }) }]
    })
    const left = reports.flatMap((report) => report.left)
    for (const { path, kind, plan } of patchLargeFiles({ root, large, from, to: prefix }))
      if (plan.left.length > 0) left.push({ path, kind, occurrences: plan.left.length } satisfies LeftFile)
    const digests = reports.flatMap((report) => report.digests)
    return await finishTree({ root, index, prefix, readOnly, large, left, digests, signal })
  }

  /** Resolves when nothing is written any more. */
  stop(): Promise<void> {
    return this.#workers.stop()
  }
}
