import { type Environment, prefixesOf } from '../environment/find.ts'
import type { EarlyReads } from '../inventory/early-reads.ts'
import { type ReadOptions, readItems } from '../inventory/read.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { ArchiveItem } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import { monotonicMs } from '../platform/clock.ts'
import { mayHang } from '../platform/mounts.ts'
import { PrefixScanner } from '../relocate/scan.ts'
import type { PackOptions } from './options.ts'
import type { Filled } from './original.ts'

/** The files' bytes, searched for the prefix as they go by. */
export function contentsOf(
  environment: Environment,
  entries: readonly Listed[],
  options: Filled<PackOptions>,
  early?: EarlyReads,
): AsyncIterable<ArchiveItem> {
  return readItems(environment, entries, readOptions(environment, entries, options, early))
}

/** How files are read: searched for the prefix, with progress. */
export function readOptions(
  environment: Environment,
  entries: readonly Listed[],
  { onProgress, signal }: Filled<PackOptions>,
  early?: EarlyReads,
): ReadOptions {
  const prefixes = prefixesOf(environment)
  const progress = new ReadProgress(entries)
  let reported = 0
  return {
    ...(early ? { early } : { mayHang: mayHang(environment.real) }),
    makeScanner: (entry) => new PrefixScanner(prefixes, entry, environment.siblings),
    onRead(bytes, ended) {
      progress.add(bytes, ended)
      const now = monotonicMs()
      // Ten times a second is enough for the eye.
      if (now - reported < 100 && !progress.isComplete) return
      reported = now
      onProgress({ kind: 'progress', phase: 'pack', ...progress.numbers })
    },
    ...(signal && { signal }),
  }
}

/** Files of an ordinary size that the average begins with, or the first file alone would decide it. */
const FIRST_GUESS = { files: 1000, bytes: 1000 * 16 * 1024 }

/**
 * Sizes are known for certain only when all files are read. Until then a file that conda's records list counts with its
 * recorded size, and any other with the average size so far.
 */
class ReadProgress {
  #files = 0
  #bytes = 0
  #totalFiles = 0
  readonly #recorded = new Map<BytePath, number>()
  #recordedLeft = 0

  constructor(entries: readonly Listed[]) {
    for (const entry of entries) {
      if (entry.type !== 'file') continue
      this.#totalFiles++
      if (entry.recordedSize === undefined) continue
      this.#recorded.set(entry.path, entry.recordedSize)
      this.#recordedLeft += entry.recordedSize
    }
  }

  add(bytes: number, ended: BytePath | undefined): void {
    this.#bytes += bytes
    if (ended === undefined) return
    this.#files++
    this.#recordedLeft -= this.#recorded.get(ended) ?? 0
    this.#recorded.delete(ended)
  }

  get isComplete(): boolean {
    return this.#files === this.#totalFiles
  }

  get numbers(): { files: number; totalFiles: number; bytes: number; totalBytes: number } {
    const unknown = this.#totalFiles - this.#files - this.#recorded.size
    const usual = (this.#bytes + FIRST_GUESS.bytes) / (this.#files + FIRST_GUESS.files)
    const totalBytes = this.#bytes + this.#recordedLeft + Math.round(unknown * usual)
    return { files: this.#files, totalFiles: this.#totalFiles, bytes: this.#bytes, totalBytes }
  }
}
