import type { TakenOver } from '../archive/write/member-writer.ts'
import type { Entry } from '../model/entry.ts'
import type { ProgressEvent } from '../model/progress.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** Reports how far a repack is, counted in all files: first come the unchanged ones, then those that are read. */
export class RepackProgress {
  readonly #onProgress: Filled<PackOptions>['onProgress']
  readonly #unchanged: { files: number; bytes: number }
  #isCopied = false
  /** How far reading was before the copying ended. */
  #heldBack: ProgressEvent | undefined
  readonly #totals: { totalFiles: number; totalBytes: number }

  constructor(unchanged: readonly Entry[], read: readonly Entry[], { onProgress }: Filled<PackOptions>) {
    this.#onProgress = onProgress
    this.#unchanged = { files: unchanged.length, bytes: sizeOf(unchanged) }
    const { files, bytes } = this.#unchanged
    this.#totals = { totalFiles: files + read.length, totalBytes: bytes + sizeOf(read) }
  }

  /** Passes the frames on. The number of files in them is estimated from their share of the bytes. */
  async *along(frames: AsyncIterable<TakenOver>): AsyncGenerator<TakenOver> {
    let done = 0
    for await (const taken of frames) {
      yield taken
      done += 'content' in taken ? taken.content.length : taken.frames.reduce((sum, { size }) => sum + size, 0)
      const bytes = Math.min(done, this.#unchanged.bytes)
      const files = Math.floor((this.#unchanged.files * bytes) / Math.max(1, this.#unchanged.bytes))
      this.#onProgress({ kind: 'progress', phase: 'pack', files, bytes, ...this.#totals })
    }
    this.#onProgress({ kind: 'progress', phase: 'pack', ...this.#unchanged, ...this.#totals })
    this.#isCopied = true
    if (this.#heldBack) this.#onProgress(this.#heldBack)
  }

  /** Options for reading the rest, which counts after the copied part. */
  behind(options: Filled<PackOptions>): Filled<PackOptions> {
    const { files, bytes } = this.#unchanged
    const onProgress = (event: ProgressEvent) => {
      if (event.kind !== 'progress') return this.#onProgress(event)
      const counted = { ...event, files: files + event.files, bytes: bytes + event.bytes, ...this.#totals }
      if (this.#isCopied) this.#onProgress(counted)
      else this.#heldBack = counted
    }
    return { ...options, onProgress }
  }
}

function sizeOf(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) if (entry.type === 'file') bytes += entry.size
  return bytes
}
