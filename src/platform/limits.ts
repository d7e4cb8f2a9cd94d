import { readFileSync } from 'node:fs'
import { StageError } from '../errors.ts'

const MB = 2 ** 20

/** What V8 reserves for a worker thread with the code range below, and the thread's stack. */
const THREAD = 350 * MB

/** For contents, frames and V8's heap. */
const CONTENTS = 300 * MB

/** Descriptors of a worker thread, and of the program besides. */
const FILES_OF_THREAD = 10
const FILES_OF_PROGRAM = 32

/** For a worker thread if memory is limited: V8 reserves 512 MB otherwise. */
export const SMALL_CODE_RANGE = { resourceLimits: { codeRangeSizeMb: 64 } }

interface Limits {
  /** Bytes of address space (`ulimit -v`; Grid Engine's h_vmem) and of data (`-d`). */
  space: number
  data: number
  /** Open files (`-n`). */
  files: number
}

/** Infinity is no limit, also if there is no /proc. */
function readLimits(): Limits {
  let limits = ''
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {}
  const soft = (what: string): number =>
    Number(new RegExp(`^Max ${what} +(\\d+)`, 'm').exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  return { space: soft('address space'), data: soft('data size'), files: soft('open files') }
}

/** How many files may be open, or folders be listed, at the same time: at most this number, fewer under `ulimit -n`. */
export const openAtOnce = (most: number): number =>
  Math.max(4, Math.min(most, Math.floor((readLimits().files - FILES_OF_PROGRAM) / 4)))

export const isMemoryLimited = (): boolean => bytesLeft(readLimits()) < Number.POSITIVE_INFINITY

/** Worker threads for which there is room now. V8 would end the process if one did not fit. */
export function threadsThatFit(): number {
  const limits = readLimits()
  const byMemory = Math.floor((bytesLeft(limits) - CONTENTS) / THREAD)
  const byFiles = Math.floor((limits.files - FILES_OF_PROGRAM) / FILES_OF_THREAD)
  return Math.max(0, Math.min(byMemory, byFiles))
}

function bytesLeft({ space, data }: Limits): number {
  if (Math.min(space, data) === Number.POSITIVE_INFINITY) return space
  const status = readFileSync('/proc/self/status', 'utf8')
  const used = (what: string): number => Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
  return Math.min(space - used('VmSize'), data - used('VmData'))
}

/** Names the limit that is too low, as far as can be told. */
export function limitTooLow(cause?: unknown): StageError {
  const { space, data, files } = readLimits()
  const inMb = (bytes: number): string => `${Math.floor(bytes / MB)} MB`
  const memory =
    space <= data ? `${inMb(space)} of address space (ulimit -v, in Grid Engine h_vmem)` : `${inMb(data)} (ulimit -d)`
  const isOfFiles = files < FILES_OF_PROGRAM + FILES_OF_THREAD || codeOf(cause) === 'EMFILE'
  const isOfMemory = Math.min(space, data) < Number.POSITIVE_INFINITY
  const what = isOfFiles ? `${files} open files (ulimit -n)` : isOfMemory ? memory : 'memory or threads (ulimit -u)'
  return new StageError('LIMIT_TOO_LOW', `The limits of this session leave no room to go on: ${what}`, {
    hint: 'Staging needs 2048 MB of address space and 64 open files. Raise the limit, or work without a copy',
    cause,
  })
}

/** The codes of a thread, a buffer, a system call and a file for which there was no room. */
const NO_ROOM = new Set([
  'ERR_WORKER_INIT_FAILED',
  'ERR_WORKER_OUT_OF_MEMORY',
  'ERR_MEMORY_ALLOCATION_FAILED',
  'ENOMEM',
])
const NO_FILE = new Set(['EMFILE', 'ENFILE'])

/** An expected failure if a limit was reached, else what was thrown. */
export function limitFailure(error: unknown): unknown {
  const code = codeOf(error) ?? ''
  const isBuffer = error instanceof RangeError && /allocation failed/i.test(error.message)
  return isBuffer || NO_ROOM.has(code) || NO_FILE.has(code) ? limitTooLow(error) : error
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code
