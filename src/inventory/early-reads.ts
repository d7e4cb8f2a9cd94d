import { type BytePath, byPath, parentOf } from '../model/byte-path.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { type Pace, SLOW_CALLS } from '../platform/pace.ts'
import { FileOpener, quickMs } from './file-opener.ts'
import { isAsRead, type WholeFile } from './open-file.ts'
import { CHUNK } from './pieced-file.ts'
import { changedFolders } from './settle.ts'

/** The most that is read early. */
const MOST_BYTES = 48 * 1024 * 1024
const MOST_FILES = 4096
const MOST_FIRST = 2 * SLOW_CALLS
/** Of a small file: open, fstat, read, close. */
const CALLS = 4
/** Half of the requests are left to the listing, which everything waits for. */
const AT_ONCE = IN_FLIGHT / 2

/**
 * Reads files before the listing of the environment has ended, since that waits for one folder after another: those that
 * conda's records list, the first in the archive's order. A read that fails is not reported: whatever is wrong with the file
 * shows when its turn comes. A file that the listing does not have is never asked for.
 */
export class EarlyReads {
  /** Also opens the files whose turn comes later. */
  readonly opener: FileOpener
  readonly #prefix: string
  readonly #files: readonly ListedName[]
  readonly #reads = new Map<BytePath, Promise<WholeFile | undefined>>()
  readonly #since = Date.now()
  #changed: ReadonlySet<BytePath> = new Set()
  #begun = 0
  #isStopped = false

  /**
   * @param recorded in the archive's order
   * @param options.mayHang the file system may never answer
   */
  constructor(prefix: string, recorded: readonly ListedName[], options: { mayHang: boolean }) {
    this.#prefix = prefix
    this.#files = worthReading(recorded)
    this.opener = new FileOpener(prefix, options)
  }

  /** Reads the first files, one by one, until it is clear how fast that is. A few may have been looked up before. */
  async begin(): Promise<void> {
    while (this.pace.isQuick && this.#begun < Math.min(this.#files.length, MOST_FIRST)) {
      const file = this.#files[this.#begun++]!
      this.#reads.set(file.path, Promise.resolve(await this.#readFirst(file)))
    }
  }

  /** Begins to read more. */
  readOn(): void {
    // `drain` takes the last first.
    drain(this.#files.slice(this.#begun).reverse(), AT_ONCE, ({ path }) => this.#begin(path))
  }

  /** How fast the first files were read, one by one. */
  get pace(): Pace {
    return this.opener.pace
  }

  /** Begins no more reads. */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * Finds the folders that may have changed since reading began. What was read in them is checked by one more look-up, or the
   * archive could have a folder's new mtime and a file's old content.
   */
  compare(listed: readonly Listed[]): void {
    this.#changed = changedFolders(listed, this.#since)
  }

  /** The file if it was read and is still the same. May be asked for once. */
  take(path: BytePath): Promise<WholeFile | undefined> | undefined {
    const read = this.#reads.get(path)
    this.#reads.delete(path)
    if (!this.#changed.has(parentOf(path))) return read
    return read?.then(async (file) => {
      if (file === undefined || (await isAsRead({ prefix: this.#prefix, path }, file.facts))) return file
      this.opener.slabs.release(file.content)
      return undefined
    })
  }

  async #begin(path: BytePath): Promise<void> {
    if (this.#isStopped) return
    const read = this.#read(path).catch(() => undefined)
    this.#reads.set(path, read)
    await read
  }

  async #read(path: BytePath): Promise<WholeFile | undefined> {
    const file = await this.opener.open(path)
    try {
      if (file === undefined || file.facts.size > CHUNK) return undefined
      const content = this.opener.slabs.allocate(file.facts.size)
      await file.readInto(content)
      return { facts: file.facts, content }
    } finally {
      await file?.close()
    }
  }

  async #readFirst(file: ListedName): Promise<WholeFile | undefined> {
    if (this.pace.isImmediate) return this.#readSync(file)
    const read = () => this.#read(file.path).catch(() => undefined)
    return await this.pace.measureCalls(CALLS, read, () => quickMs(file.recordedSize ?? 0))
  }

  #readSync({ path, recordedSize = 0 }: ListedName): WholeFile | undefined {
    const read = (): WholeFile | undefined => {
      const file = this.opener.openSync(path)
      try {
        if (file === undefined || file.facts.size > CHUNK || !file.isSettled) return undefined
        const content = this.opener.slabs.allocate(file.facts.size)
        file.readInto(content)
        return { facts: file.facts, content }
      } finally {
        file?.close()
      }
    }
    try {
      return this.pace.measure(read, () => quickMs(recordedSize))
    } catch {
      return undefined
    }
  }
}

/** The files that the records list, in the archive's order. Some may be missing, or not be files. */
export function recordedFiles(
  records: ReadonlyMap<BytePath, Omit<ListedName, 'type' | 'path'>>,
  isExcluded: (path: BytePath) => boolean,
): ListedName[] {
  const files: ListedName[] = []
  for (const [path, recorded] of records)
    if (!LEADS_ELSEWHERE.test(path) && !isExcluded(path)) files.push({ type: 'file', path, ...recorded })
  return files.sort(byPath)
}

/** Those of them that are worth reading early. @internal Exported for its tests. */
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

/** Many tools write records; none of their paths may lead out of the environment. */
const LEADS_ELSEWHERE = /^\/|(?:^|\/)\.\.?(?:\/|$)/
