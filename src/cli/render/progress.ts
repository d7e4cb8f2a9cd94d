import { statSync } from 'node:fs'
import type { SingleBar } from 'cli-progress'
import type { OnProgress, ProgressEvent } from '../../model/progress.ts'
import { type Messages, writeError } from './messages.ts'

export interface Terminal {
  /** Standard error, where the bar is shown. */
  stream: NodeJS.WriteStream
  /** Whether to show a moving bar. Log files get one line at its end instead. */
  live: boolean
  quiet: boolean
}

/** Turns the progress events of pack(), stage() and unstage() into the lines and the bar that people see. */
export function progressRenderer(messages: Messages, terminal: Terminal): { onProgress: OnProgress; clear(): void } {
  const bar = createBar(terminal)
  const lines = new LastOfLines()
  const onProgress: OnProgress = (event) => {
    if (event.kind === 'progress') {
      bar.update(event)
      return
    }
    if (event.kind === 'output') {
      if (!terminal.quiet) writeError(terminal.live ? event.text : lines.push(event.text))
      return
    }
    if (event.kind === 'done' && event.phase === 'pack') bar.finish()
    else bar.clear()
    say(event, messages)
  }
  return { onProgress, clear: bar.clear }
}

/** For log files: keeps only the last state of a line that a program overwrites again and again. */
class LastOfLines {
  #line = ''

  /** Returns the lines that are complete by now. */
  push(text: string): string {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop()!.replace(/^.*\r/s, '\r')
    return lines.map((line) => `${line.replace(/^.*\r/s, '')}\n`).join('')
  }
}

function say(event: Exclude<ProgressEvent, { kind: 'progress' | 'output' }>, messages: Messages): void {
  if (event.kind === 'info') messages.info(event.message)
  else if (event.kind === 'warning') messages.warning(event.message)
  else if (event.kind === 'detail') messages.verbose(event.message)
  else if (event.kind === 'debug') messages.debug(event.message)
  else if (event.kind === 'phase') messages.info(phaseLine(event))
  else {
    const name = { pack: 'packaging', extract: 'extract' }[event.phase as string]
    if (name) messages.info(`Total ${name} time: ${Math.round(event.seconds)} seconds`)
  }
}

function phaseLine(event: Extract<ProgressEvent, { kind: 'phase' }>): string {
  switch (event.phase) {
    case 'stage':
      return `Staging current conda environment (${event.prefix}) to local disk ...`
    case 'pack':
      return 'Packaging conda environment ...'
    case 'extract':
      return event.archive === undefined
        ? `Extracting to ${event.target}`
        : `Extracting ${event.archive} (${sizeAndDate(event.archive)}) to ${event.target}`
    case 'read-only':
      return 'Make staged environment read-only'
    case 'remove':
      return `Removing all staged files: ${event.target}`
  }
}

function sizeAndDate(path: string): string {
  const { size, mtime } = statSync(path)
  return `${size} bytes; ${localTime(mtime)}`
}

/** As `date +'%F %T %z'` writes it. */
function localTime(date: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  const minutes = -date.getTimezoneOffset()
  const zone = `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`
  return `${day} ${time} ${zone}`
}

interface Bar {
  update(event: Extract<ProgressEvent, { kind: 'progress' }>): void
  finish(): void
  clear(): void
}

const WIDTH = 40

/** A live bar on a terminal; elsewhere one line at the end. The line is conda-pack's, which people know. */
function createBar({ stream, live, quiet }: Terminal): Bar {
  let started: number | undefined
  let last: Extract<ProgressEvent, { kind: 'progress' }> | undefined
  let bar: SingleBar | undefined
  let library: typeof import('cli-progress') | undefined
  // Loaded only for a terminal: loading takes time at each start.
  if (live && !quiet)
    import('cli-progress').then((loaded) => {
      library = loaded
    })
  const stop = () => {
    bar?.stop()
    bar = undefined
    started = undefined
  }
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)
  const seconds = () => ((Date.now() - (started ?? Date.now())) / 1000).toFixed(1)
  const values = (event: NonNullable<typeof last>) => ({
    seconds: seconds(),
    files: event.files,
    totalFiles: event.totalFiles,
    mb: megabytes(event.bytes),
    totalMb: megabytes(event.totalBytes),
  })
  return {
    update(event) {
      if (quiet) return
      last = event
      started ??= Date.now()
      if (library === undefined) return
      if (!bar) {
        bar = new library.SingleBar({
          format: '[{bar}] | {percentage}% Completed |  {seconds}s | {files}/{totalFiles} files | {mb}/{totalMb} MB',
          barCompleteChar: '#',
          barIncompleteChar: ' ',
          barsize: WIDTH,
          clearOnComplete: true,
          hideCursor: true,
          stream,
          gracefulExit: false,
        })
        bar.start(Math.max(1, event.totalBytes), event.bytes, values(event))
      }
      bar.update(event.bytes, values(event))
    },
    finish() {
      if (last) {
        const line = `[${'#'.repeat(WIDTH)}] | 100% Completed |  ${seconds()}s`
        stop()
        writeError(`${line} | ${last.totalFiles} files | ${megabytes(last.totalBytes)} MB\n`)
      }
      last = undefined
    },
    clear() {
      last = undefined
      stop()
    },
  }
}
