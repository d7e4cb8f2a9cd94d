import type { ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { FramePiece, TakeFrame } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import { utimesSeconds } from '../model/times.ts'
import type { Room } from '../platform/room.ts'
import { currentUmask } from '../platform/umask.ts'
import type { OtherCopy } from '../store/equal-files.ts'
import type { FrameWorkers } from '../workers/pool.ts'
import type { ExtractReport, Target } from '../workers/protocol.ts'
import type { Piece } from '../workers/work-list.ts'
import { FileCopies } from './file-copies.ts'
import { type ExtractResult, finishTree } from './finish-tree.ts'
import { stagedModes } from './modes.ts'
import { assertPathsFit } from './path-length.ts'
import { patchLargeFiles } from './rewrite.ts'
import { blocksOf } from './room.ts'
import { shareFiles } from './share-files.ts'
import type { LargeFile } from './tree.ts'
import { makeDirectories, makeLargeFiles } from './tree.ts'

export interface DirectOptions {
  /** The folder in which the tree is built, from `publishTree`. */
  root: string
  /** The staged prefix. */
  prefix: string
  /** Original prefixes, in the order by which relocations number them. */
  from: readonly string[]
  /** Leave them as they are. */
  isPlain?: boolean | undefined
  readOnly: boolean
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
  readonly target: Target
  /** The mode that a file has in the stage. */
  readonly modeOf: (mode: number) => number
  readonly #options: DirectOptions
  #copies: FileCopies | undefined
  /** Files that span several frames. Their pieces are written as they are, since it is not known yet where prefixes stand. */
  readonly #large = new Set<BytePath>()
  readonly #writing = new Set<Promise<unknown>>()
  readonly #report: ExtractReport = { left: [], digests: [] }
  #written = 0
  #failure: { error: unknown } | undefined

  constructor(options: DirectOptions) {
    const { root, prefix, from, isPlain } = options
    this.#options = options
    this.modeOf = stagedModes(options.readOnly).file
    this.target = { root, from, to: isPlain ? undefined : prefix, umask: currentUmask() }
  }

  /**
   * Copies of files, made before it is known where they go in the archive. They are the stage's files when a thread has packed them.
   * @param original its prefix
   */
  copiesOf(original: string): FileCopies {
    this.#copies ??= new FileCopies({
      prefix: original,
      root: this.#options.root,
      spend: (bytes) => this.#failure === undefined && this.#tried(() => this.#spend(blocksOf(bytes))),
      onReport: ({ left, digests, failure }) => {
        this.#note({ left, digests })
        if (failure !== undefined) this.#fail(failure)
      },
    })
    return this.#copies
  }

  /** To be called when everything in the environment is known, before the first frame. */
  listed(entries: readonly Listed[]): void {
    this.#tried(() => assertPathsFit(this.#options.prefix, entries))
    if (this.#copies) this.#copies.listed()
    else this.#tried(() => makeDirectories(this.#options.root, entries))
  }

  readonly takeFrame: TakeFrame = async (content, pieces) => {
    if (this.#failure || this.#options.signal?.aborted || pieces.length === 0) return
    try {
      for (const { length } of pieces) this.#spend(blocksOf(length))
      const written = pieces.map((piece) => this.#pieceOf(piece))
      this.#note(await this.#write(content, written))
    } catch (error) {
      this.#fail(error)
    }
  }

  #note({ left, digests }: ExtractReport): void {
    this.#report.left.push(...left)
    this.#report.digests.push(...digests)
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
  }

  /** Whether nothing went wrong. */
  #tried(body: () => void): boolean {
    try {
      body()
      return true
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  #write(content: Buffer, pieces: Piece[]): Promise<ExtractReport> {
    const writing = this.#options.workers.write(content, pieces, this.target)
    this.#writing.add(writing)
    return writing.finally(() => this.#writing.delete(writing))
  }

  #spend(bytes: number): void {
    this.#written += bytes
    if (this.#written > this.#options.room.bytes)
      throw Object.assign(new Error('there is no room for all of it'), { code: 'ENOSPC' })
  }

  #pieceOf({ file, contentOffset, frameOffset, length, relocation }: FramePiece): Piece {
    const { path, mode, mtimeNs, size } = file
    if (length < size && contentOffset === 0) {
      makeLargeFiles(this.#options.root, [{ path, size }])
      this.#large.add(path)
    }
    const facts = { path, mode: this.modeOf(mode), mtime: utimesSeconds(mtimeNs), fileSize: size }
    return { ...facts, contentOffset, frame: 0, frameOffset, length, ...(relocation && { relocation }) }
  }

  /**
   * To be called when the last frame was taken.
   * @param index the archive's
   * @param copies others in the same local folder, whose files may serve
   * @throws the first failure of a worker, or as `finishTree`
   */
  async finish(index: ArchiveIndex, copies: readonly OtherCopy[] = []): Promise<ExtractResult> {
    if (this.#failure) throw this.#failure.error
    const { root, readOnly, signal, from } = this.#options
    const { to } = this.target
    const large = index.entries.flatMap((entry): LargeFile[] => {
      if (entry.type !== 'file' || !this.#large.has(entry.path)) return []
      const { path, mode, mtimeNs, relocation } = entry
      return [{ path, mode: this.modeOf(mode), mtime: utimesSeconds(mtimeNs), ...(relocation && { relocation }) }]
    })
    const { left, digests } = this.#report
    left.push(...patchLargeFiles({ root, large, from, to }))
    if (copies.length === 0) return await finishTree({ root, index, to, readOnly, large, left, digests, signal })
    const { paths, ...shared } = shareFiles({ root, index, to, modeOf: this.modeOf }, copies)
    const own = large.filter(({ path }) => !paths.has(path))
    return { ...(await finishTree({ root, index, to, readOnly, large: own, left, digests, signal })), shared }
  }

  /** Gives the stage up if it is not finished. Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    this.#fail(new Error('the stage was given up'))
    await this.#copies?.stop()
    await Promise.allSettled(this.#writing)
  }
}
