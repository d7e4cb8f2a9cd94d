import type { ArchivedFile, ArchiveIndex } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { OnProgress } from '../model/progress.ts'
import { utimesSeconds } from '../model/times.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { currentUmask } from '../platform/umask.ts'
import { answerTo } from '../platform/waiting.ts'
import { leftBy, planRelocation } from '../relocate/plan.ts'
import { EqualFiles, type OtherCopy } from '../store/equal-files.ts'
import { runWorkers } from '../workers/pool.ts'
import {
  BYTES,
  type Control,
  type ExtractReport,
  FILES,
  type LeftFile,
  newControl,
  READY,
  SHARED_BYTES,
  SHARED_FILES,
  STOP,
  WAITING,
} from '../workers/protocol.ts'
import { FileTaker } from '../workers/take-file.ts'
import { type EqualPlace, encodeWorkList, type Piece } from '../workers/work-list.ts'
import { type ExtractResult, finishTree, publishTree, type Shared, throwIfCancelled } from './finish-tree.ts'
import { stagedModes } from './modes.ts'
import { HISTORY } from './own-files.ts'
import { assertPathsFit } from './path-length.ts'
import { makeDirectories, makeLargeFiles } from './tree.ts'

/** Each worker takes 22 MB. With more of them, a large environment would take over 400 MB. */
const ENOUGH_WORKERS = 8

export interface ExtractOptions {
  /** For messages. */
  archive: string
  /** The archive, open for reading; it stays open. A descriptor, because the owner was checked on it and not on the path. */
  fd: number
  /** From `readIndex` of the archive. */
  index: ArchiveIndex
  /** The staged prefix. It must not exist, but its folder must. */
  prefix: string
  /** Leave the original prefixes as they are. */
  isPlain?: boolean | undefined
  /** Remove all write bits. */
  readOnly: boolean
  /** Read-only copies in the same local folder, whose files may serve for this one, if it is read-only itself. */
  copies?: readonly OtherCopy[] | undefined
  /** Worker threads. Default: the CPUs that this process may use, at most 8. */
  threads?: number | undefined
  onProgress?: OnProgress | undefined
  signal?: AbortSignal | undefined
}

/**
 * Writes the archive's tree, relocated, to `prefix`, as `publishTree` does.
 * @throws StageError ARCHIVE_DAMAGED, NO_SPACE, CANCELLED
 */
export const extract = (options: ExtractOptions): Promise<ExtractResult> =>
  publishTree(options, (root) => extractInto(root, options))

async function extractInto(root: string, options: ExtractOptions): Promise<ExtractResult> {
  const { index, prefix, readOnly, signal } = options
  assertPathsFit(prefix, index.entries)
  const mode = stagedModes(readOnly).file
  const files = index.entries.filter((entry) => entry.type === 'file')
  const pieces = files.flatMap((file) => cut(file, index, mode(file.mode)))
  const equal = equalFiles(options)
  if (equal) makeDirectories(root, index.entries)
  const taken = equal && takeFiles({ root, pieces, files, equal }, options)
  const rest = taken ? pieces.filter((piece) => !taken.paths.has(piece.path)) : pieces
  const large = rest.filter((piece) => piece.contentOffset === 0 && piece.length < piece.fileSize)
  const { shared, left, digests } = await writeContents({ root, pieces: rest, options }, () => {
    if (!equal) makeDirectories(root, index.entries)
    makeLargeFiles(
      root,
      large.map(({ path, fileSize: size }) => ({ path, size })),
    )
  })
  if (taken) left.push(...taken.left)
  const result = await finishTree({ root, index, to: targetOf(options), readOnly, large, left, digests, signal })
  if (!taken) return result
  return { ...result, shared: { files: shared.files + taken.paths.size, bytes: shared.bytes + taken.bytes } }
}

/**
 * Makes large files from those of other copies, and tells the workers where they find the small ones. A small file whose turn comes
 * may still be missing there: then it is extracted.
 */
function takeFiles(
  { root, pieces, files, equal }: { root: string; pieces: Piece[]; files: ArchivedFile[]; equal: EqualFiles },
  { index, copies = [], ...target }: ExtractOptions,
): { paths: Set<BytePath>; bytes: number; left: LeftFile[] } {
  const to = targetOf(target)
  const taker = new FileTaker(root)
  const found = new Map(files.map((file) => [file.path, { file, place: placeOf(file, equal) }]))
  const paths = new Set<BytePath>()
  const left: LeftFile[] = []
  let bytes = 0
  for (const piece of pieces) {
    const { file, place } = found.get(piece.path)!
    if (place === undefined) continue
    const { path, fileSize: size, mode, mtime, length, relocation } = piece
    if (length === size) piece.equal = place
    else if (piece.contentOffset === 0) {
      const plan = relocation && to !== undefined ? planRelocation(relocation, { path }, index.prefixes, to) : undefined
      const taken = { ...place, from: copies[place.copy]!.prefix }
      if (plan?.sameLength === false || !taker.take(taken, { path, size, mode, mtime }, plan)) continue
      paths.add(path)
      bytes += file.size
      const stays = relocation && plan && leftBy(plan, relocation)
      if (stays) left.push({ path, ...stays })
    }
  }
  return { paths, bytes, left }
}

/** None for the file whose mode changes afterwards. */
function placeOf(file: ArchivedFile, equal: EqualFiles): EqualPlace | undefined {
  const found = file.path === HISTORY ? undefined : equal.of(file)
  return found && { copy: found.copy, path: found.path, mtime: utimesSeconds(found.mtimeNs), isTwin: found.isTwin }
}

/** Of the other copies. None is looked for if there are none, or if others might change what is shared. */
function equalFiles({ index, readOnly, copies = [], ...target }: ExtractOptions): EqualFiles | undefined {
  if (copies.length === 0 || !readOnly) return undefined
  return new EqualFiles(copies, { index, to: targetOf(target) })
}

/** What replaces the original prefixes; undefined: nothing does. */
const targetOf = ({ prefix, isPlain }: Pick<ExtractOptions, 'prefix' | 'isPlain'>): string | undefined =>
  isPlain ? undefined : prefix

/** The pieces of a file, one for each frame that holds a part of it. */
function cut(file: ArchivedFile, { frames }: ArchiveIndex, mode: number): Piece[] {
  const { path, size, relocation } = file
  const common = { path, mode, mtime: utimesSeconds(file.mtimeNs), fileSize: size, ...(relocation && { relocation }) }
  const pieces: Piece[] = []
  let [frame, frameOffset, contentOffset] = [file.frame, file.frameOffset, 0]
  do {
    const length = Math.min(size - contentOffset, frames[frame]!.size - frameOffset)
    if (length > 0 || size === 0) pieces.push({ ...common, contentOffset, frame, frameOffset, length })
    contentOffset += length
    frame++
    frameOffset = 0
  } while (contentOffset < size)
  return pieces
}

/** Starts the workers. While they start, `prepare` makes the folders. */
async function writeContents(
  { root, pieces, options }: { root: string; pieces: Piece[]; options: ExtractOptions },
  prepare: () => void,
): Promise<ExtractReport & { shared: Shared }> {
  const { archive, fd, index, prefix, copies = [], signal } = options
  const { format, frames, prefixes } = index
  const control = newControl()
  const stop = (): void => {
    Atomics.store(control.flags, STOP, 1)
    Atomics.notify(control.flags, STOP)
    open(control)
  }
  const job = {
    kind: 'extract' as const,
    archive: { fd, path: archive, format },
    frames,
    work: encodeWorkList(pieces, frames.length),
    copies: copies.map(({ prefix }) => prefix),
    root,
    from: prefixes,
    to: targetOf(options),
    umask: currentUmask(),
    control,
  }
  const threads = Math.max(1, Math.min(options.threads ?? Math.min(defaultThreads(), ENOUGH_WORKERS), frames.length))
  const progress = reportProgress(control, pieces, options.onProgress)
  signal?.addEventListener('abort', stop)
  try {
    throwIfCancelled(signal, prefix)
    const workers = answerTo(() => runWorkers(job, threads, stop), {
      path: () => archive,
      progress: () =>
        Atomics.load(control.flags, WAITING) > 0 ? Number(Atomics.load(control.written, BYTES)) : undefined,
      isBounded: true,
    })
    try {
      prepare()
    } catch (error) {
      stop()
      await workers
      throw error
    }
    open(control)
    const reports = await workers
    throwIfCancelled(signal, prefix)
    const [files, bytes] = [SHARED_FILES, SHARED_BYTES].map((at) => Number(control.written[at])) as [number, number]
    return {
      left: reports.flatMap(({ left }) => left),
      digests: reports.flatMap(({ digests }) => digests),
      shared: { files, bytes },
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    progress.end()
  }
}

/** Lets the workers begin, which have waited for the folders. */
function open({ flags }: Control): void {
  Atomics.store(flags, READY, 1)
  Atomics.notify(flags, READY)
}

/** Reports ten times a second while the workers write, and once at the end. */
function reportProgress(control: Control, pieces: readonly Piece[], onProgress: OnProgress = () => {}) {
  const totalFiles = pieces.filter(({ contentOffset }) => contentOffset === 0).length
  const totalBytes = pieces.reduce((sum, { length }) => sum + length, 0)
  const report = (): void => {
    const files = Number(Atomics.load(control.written, FILES))
    const bytes = Number(Atomics.load(control.written, BYTES))
    onProgress({ kind: 'progress', phase: 'extract', files, totalFiles, bytes, totalBytes })
  }
  const timer = setInterval(report, 100)
  return {
    end(): void {
      clearInterval(timer)
      report()
    },
  }
}
