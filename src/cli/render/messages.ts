import { writeSync } from 'node:fs'
import { StageError } from '../../errors.ts'
import { errnoOf, meaningOf } from '../../platform/errno.ts'
import { packageRoot } from '../../platform/program.ts'
import type { Options } from '../options.ts'
import { jsonText, shown, shownOutput } from './shown.ts'

/** Writes messages for people to standard error, one line each, with the level in front. */
export interface Messages {
  info(text: string): void
  /** @param hint what to do next */
  warning(text: string, hint?: string): void
  error(error: unknown): void
  verbose(text: string): void
  debug(text: string): void
}

const COLOUR = { INFO: 36, WARNING: 33, ERROR: 31, DEBUG: 90 } as const

export function createMessages(options: Pick<Options, 'verbosity'>, colour: boolean): Messages {
  const rank = ['quiet', 'normal', 'verbose', 'debug'].indexOf(options.verbosity)
  const line = (level: keyof typeof COLOUR, text: string, below: readonly (string | undefined)[] = []) => {
    const label = colour ? `\u001b[${COLOUR[level]}m${level}:\u001b[0m` : `${level}:`
    const indent = ' '.repeat(level.length + 2)
    const others = below.flatMap((one) => (one === undefined ? [] : `${indent}${shown(one)}\n`))
    writeError(`${label} ${shown(text)}\n${others.join('')}`)
  }
  return {
    info: (text) => void (rank >= 1 && line('INFO', text)),
    warning: (text, hint) => line('WARNING', text, [hint]),
    verbose: (text) => void (rank >= 2 && line('INFO', text)),
    debug: (text) => void (rank >= 3 && line('DEBUG', text)),
    error(error) {
      if (error instanceof StageError) line('ERROR', error.message, [...error.lines, withPaths(error.hint)])
      else line('ERROR', 'This is a bug in conda-stage. Please report it:')
      if (rank >= 3 || !(error instanceof StageError)) sayLines(stackOf(error))
    },
  }
}

/** Lines for people, without a level. */
export const sayLines = (lines: readonly string[]): void => writeError(lines.map((line) => `${shown(line)}\n`).join(''))

/** Puts a question to a person at a terminal. */
export function ask(question: string, above: readonly string[] = []): void {
  sayLines(above)
  writeError(shown(question))
}

/** Text that another program has written for people. */
export const passOn = (text: string): void => writeError(shownOutput(text))

/** A failure as programs get it. */
export function errorData(error: unknown): Pick<StageError, 'message' | 'path' | 'hint'> & { code: string } {
  const { message, path, hint, lines = [] } = error as Partial<StageError>
  const code = error instanceof StageError ? error.code : 'BUG'
  return { code, message: message ?? String(error), path, hint, ...(lines.length > 0 && { lines }) }
}

/** Pages of the documentation, by their paths in this installation. */
const withPaths = (hint: string | undefined): string | undefined =>
  hint?.replace(/\bdocs\/[\w-]+\.md\b/g, (page) => `${packageRoot()}/${page}`)

/** The message, which may hold line breaks, and the calls. */
function stackOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)]
  const { name, message, stack = '', cause } = error
  const [first = '', ...others] = cause === undefined ? [] : stackOf(cause)
  const calls = stack.split('\n').filter((line) => /^ {4}at /.test(line))
  return [`${name}: ${message}`, ...calls, ...(cause === undefined ? [] : [`caused by ${first}`, ...others])]
}

/** Synchronous, so that nothing is lost when the process ends. If nobody can be told, that is no reason to fail. */
function writeError(text: string): void {
  clearTransient()
  tell(text)
}

export const stillWaiting = (path: string): string => `Still waiting for ${path}: its file system does not answer`

/** A heading in data for people: bold if standard output is a terminal that has it. */
export const heading = (text: string): string => (isBold ? `\u001b[1m${text}\u001b[0m` : text)

let isBold = false

/** @param colour whether standard output may hold escape sequences */
export function styleData(colour: boolean): void {
  isBold = colour
}

/** There is one terminal, so there is one such line. */
let isTransientShown = false

/** Shows a line on the terminal that goes as soon as anything else is written. */
export function showTransient(text: string): void {
  tell(`\r\u001b[K${text}`)
  isTransientShown = true
}

export function clearTransient(): void {
  if (isTransientShown) tell('\r\u001b[K')
  isTransientShown = false
}

/** For a bar that is drawn anew below the place where it began, because somebody pressed Enter meanwhile. */
export const clearBelow = (): void => tell('\u001b[J')

/** A descriptor. */
let errors = 2

export function sendErrorsTo(descriptor: number): void {
  errors = descriptor
}

function tell(text: string): void {
  try {
    write(errors, text)
  } catch {}
}

/**
 * Writes data to standard output as it is: code and paths for programs, and texts for people whose names have passed `shown`. A
 * reader that has seen enough and went away is no failure.
 * @throws StageError OUTPUT_LOST
 */
export function writeData(text: string): void {
  output(text, (errno) => errno === 'EPIPE')
}

/**
 * The same for a result that its caller can't do without, such as the path of a copy.
 * @throws StageError OUTPUT_LOST
 */
export function writeResult(text: string): void {
  output(text, () => false)
}

function output(text: string, isHarmless: (errno: string) => boolean): void {
  clearTransient()
  try {
    write(1, text)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    if (isHarmless(errno)) return
    const reason = { EBADF: 'it is closed', EPIPE: 'nobody reads it' }[errno] ?? meaningOf(errno)
    throw new StageError('OUTPUT_LOST', `The result can't be written to standard output: ${reason}`, {
      hint: 'Send standard output to a terminal, a pipe or a file, and try again.',
      cause: error,
    })
  }
}

/** Writes a value for programs to standard output. */
export function writeJson(value: unknown, write = writeData): void {
  write(`${jsonText(value)}\n`)
  hasAnswered = true
}

let hasAnswered = false

/** Whether programs have got their value. Findings are written before the failure that they are. */
export const isAnswered = (): boolean => hasAnswered

function write(descriptor: number, text: string): void {
  let rest: Buffer = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      // A full pipe in non-blocking mode: the reader is slow, not gone.
      if (errnoOf(error) !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}
