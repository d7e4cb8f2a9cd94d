import type { StageError } from '../errors.ts'
import type { ArchiveFormat, Frame } from '../model/archive-index.ts'
import type { BytePath } from '../model/byte-path.ts'
import type { ListedName } from '../model/listed.ts'
import type { Siblings } from '../model/relocation.ts'
import type { Left } from '../relocate/plan.ts'
import type { EncodedFiles, EncodedNames, PackedFiles } from './packed-files.ts'
import type { Piece, WorkList } from './work-list.ts'

/** What a worker is started for. */
export type Job = ExtractJob | { kind: 'frames' }

/** Where files are written, and what the prefix becomes in them. */
export interface Target {
  /** Folder to write below: not yet the staged prefix. */
  root: string
  /** Original prefixes, as in the index, and the staged prefix that replaces them. */
  from: readonly string[]
  to: string
  umask: number
}

/** Share the frames with the other workers until none is left. */
export interface ExtractJob extends Target {
  kind: 'extract'
  archive: { fd: number; path: string; format: ArchiveFormat }
  frames: readonly Frame[]
  work: WorkList
  control: Control
}

/** To a worker whose job is frames: it answers each, in order. The content is the first `length` bytes. */
export type FrameRequest = { content: SharedArrayBuffer; length: number } & (
  | { kind: 'compress'; format: 'tar.zst' | 'tar.gz'; level: number }
  | { kind: 'write'; pieces: Piece[]; target: Target }
)

/** Files to read, and to make a frame of. */
export interface PackOrder {
  prefix: string
  files: readonly ListedName[]
  /** Numbers in `files` of those that are further names of files in other frames. */
  links: readonly number[]
  /** A file that can't be opened counts as vanished. */
  mayBeMissing: boolean
  /** Original prefixes to look for, as the index has them. */
  prefixes: readonly string[]
  /** The evidence for other paths. */
  siblings?: Siblings
  /** Folder of the archive in which the environment stands. */
  root: BytePath
  format: 'tar.zst' | 'tar.gz'
  level: number
  /** Memory for the frame, where others look at it too. */
  content?: SharedArrayBuffer
}

/** An order, as it goes to a worker. */
export type PackRequest = { kind: 'pack'; names: EncodedNames } & Omit<PackOrder, 'files'>

export type FrameReply =
  | ({ kind: 'packed'; packed: EncodedFiles } & Omit<PackedFiles, 'files'>)
  | { kind: 'compressed'; data: Uint8Array<ArrayBuffer> }
  | { kind: 'written'; report: ExtractReport }
  | { kind: 'failed'; error: PlainError }

/** Memory that the main thread and all workers see. */
export interface Control {
  /** Indexed by the constants below. */
  flags: Int32Array<SharedArrayBuffer>
  /** Files and bytes written so far, for the progress bar. */
  written: BigInt64Array<SharedArrayBuffer>
}

/** Next frame that nobody has taken. */
export const NEXT = 0
/** 1 from when the folders are there. */
export const READY = 1
/** 1 from when everybody has to stop: cancelled, or somebody failed. */
export const STOP = 2

export const FILES = 0
export const BYTES = 1

export const newControl = (): Control => ({
  flags: new Int32Array(new SharedArrayBuffer(3 * 4)),
  written: new BigInt64Array(new SharedArrayBuffer(2 * 8)),
})

/** The last thing that a worker says who extracts. */
export type Report = { kind: 'done'; result: ExtractReport } | { kind: 'failed'; error: PlainError }

export interface ExtractReport {
  left: LeftFile[]
  /** First 16 bytes of the SHA-256, in hex, of files whose prefix was replaced by one of another length. */
  digests: [BytePath, string][]
}

/** A file in which the prefix could not be replaced everywhere. */
export interface LeftFile extends Left {
  path: BytePath
}

/** An error as it crosses threads: structured clone would make a plain Error of a StageError. */
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
    ...(typeof code === 'string' && { code }),
    ...(typeof path === 'string' && { path }),
    ...(typeof hint === 'string' && { hint }),
  }
}
