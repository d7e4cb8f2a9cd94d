import { type BytePath, parentOf } from '../model/byte-path.ts'
import { Pace } from '../platform/pace.ts'
import { mayVanish } from './list.ts'
import { OpenFile, OpenFileSync } from './open-file.ts'
import { CHUNK } from './pieced-file.ts'
import { Slabs } from './slabs.ts'
import { WarmFolders } from './warm-folders.ts'

/** Opens an environment's files. Holds what all readings of its files share. */
export class FileOpener {
  /** Memory for content. */
  readonly slabs = new Slabs()
  /** Of files that are opened and read one by one. */
  readonly pace: Pace
  readonly #prefix: string
  readonly #openPace: Pace
  readonly #folders = new WarmFolders()

  /** @param options.mayHang as for a Pace */
  constructor(prefix: string, options: { mayHang?: boolean | undefined }) {
    this.#prefix = prefix
    this.pace = new Pace(options)
    this.#openPace = new Pace(options)
  }

  /**
   * @returns `undefined` if the file has vanished, and is one that programs make and remove at any time
   * @throws StageError UNREADABLE, CHANGED
   */
  async open(path: BytePath): Promise<OpenFile | undefined> {
    const opening = (open: () => Promise<number>) => this.#folders.into(parentOf(path), open)
    try {
      return await OpenFile.open({ prefix: this.#prefix, path }, { opening, pace: this.#openPace })
    } catch (error) {
      return ifVanished(path, error)
    }
  }

  /** As `open`. */
  openSync(path: BytePath): OpenFileSync | undefined {
    try {
      return OpenFileSync.open({ prefix: this.#prefix, path })
    } catch (error) {
      return ifVanished(path, error)
    }
  }
}

function ifVanished(path: BytePath, error: unknown): undefined {
  if (!mayVanish(path, error)) throw error
}

/** How long a file of this size takes to open and read if the file system answers at once. A megabyte in memory takes some 0.2 ms. */
export const quickMs = (bytes: number): number => 0.3 * (1 + bytes / CHUNK)
