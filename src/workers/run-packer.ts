import { FRAME_SIZE } from '../archive/format.ts'
import type { FileFacts } from '../inventory/open-file.ts'
import { UsualSize } from '../inventory/usual-size.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { release } from '../platform/release.ts'
import { encodeFacts, type PackedFiles } from './packed-files.ts'
import type { FrameWorkers } from './pool.ts'
import type { Packed, PackOrder, Target } from './protocol.ts'

/** Bytes of a member besides its content: padding and a header, mostly with a pax header for the fraction of a second. */
const HEADERS = 1792
/** Starting threads pays from this many bytes on. */
const ENOUGH = 2 * FRAME_SIZE

export interface RunPackerOptions
  extends Pick<PackOrder, 'prefix' | 'prefixes' | 'siblings' | 'root' | 'renamed' | 'format' | 'level'> {
  workers: Pick<FrameWorkers, 'pack'>
  /** How many workers there are at most. */
  threads: number
  /** The content of the frames is wanted too, in shared memory. */
  shareContent: boolean
  /** The stage in which copies of the files are, if they are packed from these. */
  stage?: { target: Target; modeOf(mode: number): number } | undefined
}

/** A run that a thread is packing. */
export interface Packing {
  packed: Promise<Packed>
  /** Where the content of its frame will be, if that is wanted. */
  content?: SharedArrayBuffer
}

/** Cuts files into runs, each of which will fill a frame, and has threads pack them. */
export class RunPacker {
  readonly threads: number
  /** Folder in the archive that holds the environment. */
  readonly root: BytePath
  readonly shareContent: boolean
  readonly #options: RunPackerOptions
  readonly #free: SharedArrayBuffer[] = []
  readonly #usual = new UsualSize()

  constructor(options: RunPackerOptions) {
    this.threads = options.threads
    this.root = options.root
    this.shareContent = options.shareContent
    this.#options = options
  }

  /**
   * The number behind the last file of a run that begins with file `from` and ends before file `end`: `from` itself if that is
   * too large for a frame.
   */
  endOfRun(files: readonly ListedName[], from: number, end = files.length): number {
    let until = from
    for (let room = FRAME_SIZE; until < end; until++) {
      room -= HEADERS + (files[until]!.recordedSize ?? this.#usual.bytes)
      if (room < 0) break
    }
    return until
  }

  begin(files: readonly ListedName[]): Packing {
    if (!this.shareContent) return { packed: this.#pack(files) }
    const content = this.#free.pop() ?? new SharedArrayBuffer(FRAME_SIZE)
    return { packed: this.#pack(files, { content }), content }
  }

  /** @param facts of the files, which have copies in the stage */
  beginCopied(files: readonly ListedName[], facts: readonly FileFacts[]): Packing {
    const { target, modeOf } = this.#options.stage!
    return { packed: this.#pack(files, { copied: { target, facts: encodeFacts(facts, modeOf) } }) }
  }

  /** Packs a run once more, into the same memory. `links`: numbers of files whose content the archive has already. */
  again({ content }: Packing, files: readonly ListedName[], links: readonly number[]): Promise<PackedFiles> {
    return this.#pack(files, { links, ...(content && { content }) })
  }

  /** Frees the memory of a run whose frame nobody looks at any more. */
  giveBack({ content }: Packing, stored?: Uint8Array): void {
    if (stored) release(stored)
    if (content) this.#free.push(content)
  }

  /** Learns from the files of a frame how large others probably are. */
  learn({ files }: PackedFiles): void {
    for (const { facts, content } of files) if (facts && content) this.#usual.add(facts.size)
  }

  #pack(
    files: readonly ListedName[],
    { links = [], ...more }: Partial<Pick<PackOrder, 'links' | 'content' | 'copied'>> = {},
  ): Promise<Packed> {
    const { workers, prefix, prefixes, siblings, root, renamed, format, level } = this.#options
    const packed = workers.pack({
      prefix,
      files,
      links,
      prefixes,
      siblings,
      root,
      renamed,
      format,
      level,
      ...more,
    })
    // Whoever comes to it gets the failure; until then it must not count as unhandled.
    packed.catch(() => {})
    return packed
  }
}

/** Whether there is enough to pack for threads to be worth their start. */
export function isWorthRuns(entries: readonly Listed[]): boolean {
  const usual = new UsualSize().bytes
  let bytes = 0
  for (const entry of entries) if (entry.type === 'file') bytes += HEADERS + (entry.recordedSize ?? usual)
  return bytes > ENOUGH
}
