import { writeSync } from 'node:fs'
import { StageError } from '../../errors.ts'
import { packageRoot } from '../../platform/program.ts'
import type { Options } from '../options.ts'

/** Where words for people go: standard error, one line each, with the level in front. */
export interface Messages {
  info(text: string): void
  warning(text: string): void
  error(error: unknown): void
  verbose(text: string): void
  debug(text: string): void
}

const COLOUR = { INFO: 36, WARNING: 33, ERROR: 31, DEBUG: 90 } as const

export function createMessages(options: Pick<Options, 'verbosity'>, colour: boolean): Messages {
  const rank = ['quiet', 'normal', 'verbose', 'debug'].indexOf(options.verbosity)
  const line = (level: keyof typeof COLOUR, text: string) =>
    writeError(`${colour ? `\u001b[${COLOUR[level]}m${level}:\u001b[0m` : `${level}:`} ${text}\n`)
  return {
    info: (text) => void (rank >= 1 && line('INFO', text)),
    warning: (text) => line('WARNING', text),
    verbose: (text) => void (rank >= 2 && line('INFO', text)),
    debug: (text) => void (rank >= 3 && line('DEBUG', text)),
    error(error) {
      if (!(error instanceof StageError)) {
        line('ERROR', `this is a bug in conda-stage, please report it:\n${stackOf(error)}`)
        return
      }
      line('ERROR', error.message)
      if (error.hint) writeError(`       ${withPaths(error.hint)}\n`)
      if (rank >= 3) writeError(`${stackOf(error)}\n`)
    },
  }
}

/** Pages of the documentation, by their paths in this installation. */
const withPaths = (hint: string): string => hint.replace(/\bdocs\/[\w-]+\.md\b/g, (page) => `${packageRoot()}/${page}`)

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? `${error.stack}` : `${error.stack}\ncaused by ${stackOf(error.cause)}`
}

/** Synchronous, so that nothing is lost when the process ends; a reader that went away is no reason to fail. */
export function writeError(text: string): void {
  write(2, text)
}

/** Data for programs, on standard output. */
export function writeData(text: string): void {
  write(1, text)
}

function write(descriptor: number, text: string): void {
  let rest: Buffer = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      // A full pipe in non-blocking mode: the reader is slow, not gone.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      else if (code === 'EPIPE' || code === 'EBADF') return
      else throw error
    }
  }
}
