import { type BytePath, parentOf } from '../model/byte-path.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { Pace, SLOW_CALLS } from '../platform/pace.ts'
import { byPackage } from './order.ts'
import {
  CHUNK,
  isAsRead,
  PiecedFile,
  type Place,
  quickMs,
  readFile,
  readFileSync,
  type WholeFile,
} from './read-file.ts'
import { changedFolders } from './settle.ts'
import { Slabs } from './slabs.ts'
import { WarmFolders } from './warm-folders.ts'

/** What is read beforehand at most. */
const MOST_BYTES = 48 * 1024 * 1024
const MOST_FILES = 4096
/** Half of the requests are for the listing, which is what everything waits for. */
const AT_ONCE = IN_FLIGHT / 2

/**
 * Reads files that conda's records list, the first in the archive's order, while the folders are being listed: that waits for
 * one folder after another. Whatever is wrong with one of them shows when its turn comes to be read: nothing is told here, and
 * what the listing does not have is not asked for.
 */
export class EarlyReads {
  readonly slabs = new Slabs()
  /** Of the first files, which are read one by one: only where it is slow there is a point in reading more. */
  readonly pace = new Pace()
  readonly #prefix: string
  readonly #folders = new WarmFolders()
  readonly #openPace = new Pace()
  readonly #reads = new Map<BytePath, Promise<WholeFile | undefined>>()
  readonly #begun = Date.now()
  #changed: ReadonlySet<BytePath> = new Set()
  #isStopped = false

  /** @param recorded in the archive's order */
  constructor(prefix: string, recorded: readonly ListedName[]) {
    this.#prefix = prefix
    const files = worthReading(recorded)
    for (const file of files.slice(0, SLOW_CALLS)) this.#reads.set(file.path, Promise.resolve(this.#readNow(file)))
    // The last come first.
    if (!this.pace.isQuick) drain(files.slice(SLOW_CALLS).reverse(), AT_ONCE, ({ path }) => this.#begin(path))
  }

  /** No more is begun. */
  stop(): void {
    this.#isStopped = true
  }

  /** What was read of folders that may have changed meanwhile is looked at once more: else the archive had a new folder's mtime and an old file. */
  compare(listed: readonly Listed[]): void {
    this.#changed = changedFolders(listed, this.#begun)
  }

  /** What was read of the file, to be asked for once; undefined where it was not. */
  take(path: BytePath): Promise<WholeFile | undefined> | undefined {
    const read = this.#reads.get(path)
    this.#reads.delete(path)
    if (!this.#changed.has(parentOf(path))) return read
    return read?.then(async (found) => {
      if (found === undefined || (await isAsRead(this.#place(path), found.facts))) return found
      this.slabs.release(found.content)
      return undefined
    })
  }

  #readNow({ path, recordedSize = 0 }: ListedName): WholeFile | undefined {
    try {
      return wholeOnly(
        this.pace.measure(
          () => readFileSync(this.#place(path), isWhole),
          () => quickMs(recordedSize),
        ),
      )
    } catch {
      return undefined
    }
  }

  async #begin(path: BytePath): Promise<void> {
    if (this.#isStopped) return
    const opening = (open: () => Promise<number>) => this.#folders.into(parentOf(path), open)
    const calls = { opening, pace: this.#openPace }
    const read = readFile(this.#place(path), isWhole, calls).then(wholeOnly, () => undefined)
    this.#reads.set(path, read)
    await read
  }

  #place = (path: BytePath): Place => ({ prefix: this.#prefix, path, slabs: this.slabs })
}

const isWhole = ({ size }: { size: number }): boolean => size <= CHUNK

const wholeOnly = (read: WholeFile | PiecedFile | undefined): WholeFile | undefined =>
  read === undefined || read instanceof PiecedFile || read.content.length < read.facts.size ? undefined : read

/** What the records list, in the archive's order. Some of it may be missing, or no file. */
export function recordedFiles(
  records: ReadonlyMap<BytePath, Omit<ListedName, 'type' | 'path'>>,
  isExcluded: (path: BytePath) => boolean,
): ListedName[] {
  const files: ListedName[] = []
  for (const [path, recorded] of records)
    if (!LEADS_ELSEWHERE.test(path) && !isExcluded(path)) files.push({ type: 'file', path, ...recorded })
  return files.sort(byPackage)
}

/** As much of them as is worth to be read early. @internal Exported for its tests. */
export function worthReading(files: readonly ListedName[]): ListedName[] {
  const chosen: ListedName[] = []
  let bytes = 0
  for (const file of files) {
    const { recordedSize = CHUNK } = file
    if (recordedSize > CHUNK) continue
    bytes += recordedSize
    if (bytes > MOST_BYTES || chosen.length === MOST_FILES) break
    chosen.push(file)
  }
  return chosen
}

/** Records are written by many tools; no path of theirs may lead out of the environment. */
const LEADS_ELSEWHERE = /^\/|(?:^|\/)\.\.?(?:\/|$)/
