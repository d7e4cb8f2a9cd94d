import type { StageError } from '../errors.ts'
import type { ArchiveFormat, Frame } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { RenamedMembers } from '../model/entry.ts'
import type { ListedName } from '../model/listed.ts'
import type { Siblings } from '../model/relocation.ts'
import { errnoOf } from '../platform/errno.ts'
import type { Left } from '../relocate/plan.ts'
import type { EncodedFacts, EncodedFiles, EncodedNames, PackedFiles } from './packed-files.ts'
import type { Piece, WorkList } from './work-list.ts'

/** What a worker is started to do. */
export type Job = ExtractJob | FramesJob

/** To answer requests, until the number becomes 1: then nobody waits for the answers any more. */
interface FramesJob {
  kind: 'frames'
  stop: Int32Array<SharedArrayBuffer>
}

/** Where files are written, and what replaces the prefix in them. */
export interface Target {
  /** The folder in which the tree is built. It becomes the staged prefix when it is complete. */
  root: string
  /** Original prefixes, as in the index, and the staged prefix that replaces them; undefined: they stay. */
  from: readonly string[]
  to: string | undefined
  umask: number
}

/** To share the frames with the other workers until none is left. */
export interface ExtractJob extends Target {
  kind: 'extract'
  archive: { fd: number; path: string; format: ArchiveFormat }
  frames: readonly Frame[]
  work: WorkList
  /** The prefixes of other copies on this node, whose files may serve. */
  copies: readonly string[]
  control: Control
}

/** A request to a worker with the job `frames`, which answers all of them in order. The content is the first `length` bytes. */
export type FrameRequest = { content: SharedArrayBuffer; length: number } & (
  | { kind: 'compress'; format: 'tar.zst' | 'tar.gz'; level: number }
  | { kind: 'write'; pieces: Piece[]; target: Target }
)

/** Files to read into a frame. */
export interface PackOrder {
  prefix: string
  files: readonly ListedName[]
  /** Numbers in `files` of further names of files that are in other frames. */
  links: readonly number[]
  /** Original prefixes to look for, in the index's order. */
  prefixes: readonly string[]
  /** The evidence for other paths. */
  siblings?: Siblings | undefined
  /** Folder in the archive that holds the environment. */
  root: BytePath
  renamed?: RenamedMembers | undefined
  format: 'tar.zst' | 'tar.gz'
  level: number
  /** Memory for the frame, if others look at it too. */
  content?: SharedArrayBuffer
  /** The files have copies in a stage that is being made: those are read, and made what the stage needs. */
  copied?: CopiedFiles
}

export interface CopiedFiles {
  target: Target
  /** Of the originals. */
  facts: EncodedFacts
}

/** What packing gives. */
export interface Packed extends PackedFiles {
  copies?: CopiesReport
}

/** What became of the copies. If something went wrong with them, the stage can't be completed. */
export interface CopiesReport extends ExtractReport {
  failure?: unknown
}

/** For the main thread: the number of the file that is being read, and -1 while none is. */
export interface Reading {
  reading: Int32Array<SharedArrayBuffer>
}

/** An order as it is sent to a worker. */
export type PackRequest = { kind: 'pack'; names: EncodedNames } & Omit<PackOrder, 'files'> & Reading

export type FrameReply =
  | ({ kind: 'packed'; packed: EncodedFiles } & Omit<Packed, 'files'>)
  | { kind: 'compressed'; data: Uint8Array<ArrayBuffer> }
  | { kind: 'written'; report: ExtractReport }
  | { kind: 'failed'; error: PlainError }

/** Memory that the main thread and all workers share. */
export interface Control {
  /** Indexed by the constants below. */
  flags: Int32Array<SharedArrayBuffer>
  /** Files and bytes written so far, for the progress bar. How many of them are shared with other copies, and frames that were read. */
  written: BigInt64Array<SharedArrayBuffer>
}

/** The next frame that no worker has taken. */
export const NEXT = 0
/** 1 once the folders are there. */
export const READY = 1
/** 1 once all have to stop: staging was cancelled, or one has failed. */
export const STOP = 2
/** How many workers wait for the archive. */
export const WAITING = 3

export const FILES = 0
export const BYTES = 1
export const SHARED_FILES = 2
export const SHARED_BYTES = 3
export const FRAMES_READ = 4

export const newControl = (): Control => ({
  flags: new Int32Array(new SharedArrayBuffer(4 * 4)),
  written: new BigInt64Array(new SharedArrayBuffer(5 * 8)),
})

/** The last message of a worker that extracts. */
export type Report = { kind: 'done'; result: ExtractReport } | { kind: 'failed'; error: PlainError }

export interface ExtractReport {
  left: LeftFile[]
  /** Digests of files in which the prefix was replaced by one of another length. */
  digests: [BytePath, string][]
}

/** A file in which the prefix could not be replaced everywhere. */
export interface LeftFile extends Left {
  path: BytePath
}

/** An error as it is sent to another thread: structured clone would turn a StageError into a plain Error. */
export interface PlainError {
  name: string
  message: string
  stack?: string
  code?: string
  path?: string
  hint?: string
}

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack, code, path, hint } = error as Partial<StageError> & Error & { code?: string }
  return {
    name,
    message,
    ...(stack !== undefined && { stack }),
    // libuv's names don't tell which error it was, and its numbers stay here.
    ...(typeof code === 'string' && { code: errnoOf(error) ?? code }),
    ...(typeof path === 'string' && { path }),
    ...(typeof hint === 'string' && { hint }),
  }
}
