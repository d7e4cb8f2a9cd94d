import type { ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { FramePiece, TakeFrame } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import { utimesSeconds } from '../model/times.ts'
import type { Room } from '../platform/room.ts'
import { currentUmask } from '../platform/umask.ts'
import type { FrameWorkers } from '../workers/pool.ts'
import type { ExtractReport, Target } from '../workers/protocol.ts'
import type { Piece } from '../workers/work-list.ts'
import { type ExtractResult, finishTree } from './finish-tree.ts'
import { stagedModes } from './modes.ts'
import { assertPathsFit } from './path-length.ts'
import { patchLargeFiles } from './rewrite.ts'
import { blocksOf } from './room.ts'
import type { LargeFile } from './tree.ts'
import { makeDirectories, makeLargeFiles } from './tree.ts'

export interface DirectOptions {
  /** The folder in which the tree is built, from `publishTree`. */
  root: string
  /** The staged prefix. */
  prefix: string
  /** Original prefixes, in the order by which relocations number them. */
  from: readonly string[]
  readOnly: boolean
  /** Everything in the environment. */
  entries: readonly Listed[]
  /** The most that may be written: a stage that does not fit must not fill the disk. */
  room: Room
  workers: FrameWorkers
  signal?: AbortSignal | undefined
}

/**
 * A stage that is made while its archive is written, from the same frames. A failure here does not stop the archive: it shows
 * in `finish`.
 */
export class DirectStage {
  readonly #options: DirectOptions
  readonly #target: Target
  readonly #mode: (mode: number) => number
  /** Files that span several frames. Their pieces are written as they are, since it is not known yet where prefixes stand. */
  readonly #large = new Set<BytePath>()
  readonly #writing = new Set<Promise<unknown>>()
  readonly #report: ExtractReport = { left: [], digests: [] }
  #written = 0
  #failure: { error: unknown } | undefined

  /** Makes the folders. */
  constructor(options: DirectOptions) {
    const { root, prefix: to, from } = options
    this.#options = options
    this.#mode = stagedModes(options.readOnly).file
    assertPathsFit(to, options.entries)
    makeDirectories(root, options.entries)
    this.#target = { root, from, to, umask: currentUmask() }
  }

  readonly takeFrame: TakeFrame = async (content, pieces) => {
    if (this.#failure || this.#options.signal?.aborted || pieces.length === 0) return
    try {
      this.#spend(pieces)
      const { left, digests } = await this.#write(
        content,
        pieces.map((piece) => this.#pieceOf(piece)),
      )
      this.#report.left.push(...left)
      this.#report.digests.push(...digests)
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #write(content: Buffer, pieces: Piece[]): Promise<ExtractReport> {
    const writing = this.#options.workers.write(content, pieces, this.#target)
    this.#writing.add(writing)
    return writing.finally(() => this.#writing.delete(writing))
  }

  #spend(pieces: readonly FramePiece[]): void {
    for (const { length } of pieces) this.#written += blocksOf(length)
    if (this.#written > this.#options.room.bytes)
      throw Object.assign(new Error('there is no room for all of it'), { code: 'ENOSPC' })
  }

  #pieceOf({ file, contentOffset, frameOffset, length, relocation }: FramePiece): Piece {
    const { path, mode, mtimeNs, size } = file
    if (length < size && contentOffset === 0) {
      makeLargeFiles(this.#options.root, [{ path, size }])
      this.#large.add(path)
    }
    const facts = { path, mode: this.#mode(mode), mtime: utimesSeconds(mtimeNs), fileSize: size }
    return { ...facts, contentOffset, frame: 0, frameOffset, length, ...(relocation && { relocation }) }
  }

  /**
   * To be called when the last frame was taken.
   * @param index the archive's
   * @throws the first failure of a worker, or as `finishTree`
   */
  async finish(index: ArchiveIndex): Promise<ExtractResult> {
    if (this.#failure) throw this.#failure.error
    const { root, prefix, readOnly, signal, from } = this.#options
    const large = index.entries.flatMap((entry): LargeFile[] => {
      if (entry.type !== 'file' || !this.#large.has(entry.path)) return []
      const { path, mode, mtimeNs, relocation } = entry
      return [{ path, mode: this.#mode(mode), mtime: utimesSeconds(mtimeNs), ...(relocation && { relocation }) }]
    })
    const { left, digests } = this.#report
    left.push(...patchLargeFiles({ root, large, from, to: prefix }))
    return await finishTree({ root, index, prefix, readOnly, large, left, digests, signal })
  }

  /** Gives the stage up if it is not finished. Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    this.#failure ??= { error: new Error('the stage was given up') }
    await Promise.allSettled(this.#writing)
  }
}
