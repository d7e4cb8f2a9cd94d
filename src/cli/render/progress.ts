import { statSync } from 'node:fs'
import { wholeSeconds } from '../../model/amounts.ts'
import { nounOf } from '../../model/kind.ts'
import type { Phase, ProgressEvent } from '../../model/progress.ts'
import { createBar } from './bar.ts'
import { createBusy } from './busy.ts'
import { type Messages, passOn } from './messages.ts'

export interface Terminal {
  /** Whether to show a moving bar on standard error. Log files get one line at its end instead. */
  live: boolean
  quiet: boolean
}

type Shown = Exclude<ProgressEvent, { kind: 'archive' }>

/** Turns the progress events of pack(), stage() and unstage() into the lines and the bar that people see. */
export function progressRenderer(
  messages: Messages,
  terminal: Terminal,
): { onProgress(event: Shown): void; clear(): void } {
  const bar = createBar(terminal)
  const busy = createBusy(terminal.live && !terminal.quiet, bar.isShown)
  const lines = new LastOfLines()
  const clear = () => {
    bar.clear()
    busy.end()
  }
  const onProgress = (event: Shown): void => {
    if (event.kind === 'command') {
      clear()
      return
    }
    busy.shown()
    if (event.kind === 'progress') {
      bar.update(event)
      return
    }
    if (event.kind === 'output') {
      if (!terminal.quiet) passOn(terminal.live ? event.text : lines.push(event.text))
      return
    }
    if (event.kind === 'done' && event.phase === 'pack') bar.finish()
    else bar.clear()
    say(event, messages)
    if (event.kind === 'phase') busy.begin(DOING[event.phase])
    else if (event.kind === 'done') busy.begin('Finishing')
    // The line above says what is going on.
    else if (event.kind === 'info') busy.begin('')
  }
  return { onProgress, clear }
}

/** What happens in a phase until the bar shows more. */
const DOING: Record<Phase, string> = {
  stage: 'Comparing the environment with its archive',
  pack: 'Listing the environment',
  extract: 'Reading the archive',
  'read-only': 'Finishing',
  remove: 'Removing files',
  verify: 'Reading all of it',
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

function say(event: Exclude<Shown, { kind: 'progress' | 'output' | 'command' }>, messages: Messages): void {
  if (event.kind === 'info') messages.info(event.message)
  else if (event.kind === 'warning') messages.warning(event.message)
  else if (event.kind === 'detail') messages.verbose(event.message)
  else if (event.kind === 'debug') messages.debug(event.message)
  else if (event.kind === 'phase') {
    const line = phaseLine(event)
    if (line !== undefined) messages.info(line)
  } else {
    const name = { pack: 'packaging', extract: 'extract' }[event.phase as string]
    if (name) messages.info(`Total ${name} time: ${wholeSeconds(event.seconds)}`)
  }
}

function phaseLine(event: Extract<ProgressEvent, { kind: 'phase' }>): string | undefined {
  switch (event.phase) {
    case 'stage':
      return event.archive === undefined
        ? `Staging current ${nounOf(event.environment)} (${event.prefix}) to local disk ...`
        : `Staging ${event.archive} (${nounOf(event.environment)} ${event.prefix}, as it was then) to local disk ...`
    case 'pack':
      return `Packaging ${nounOf(event.environment)} ...`
    case 'extract':
      return event.archive === undefined
        ? `Extracting to ${event.target}`
        : `Extracting ${event.archive}${sizeAndDate(event.archive)} to ${event.target}`
    case 'read-only':
      return 'Make staged environment read-only'
    case 'remove':
      return `Removing all staged files: ${event.target}`
    case 'verify':
      return undefined
  }
}

/** Nothing if the archive was removed meanwhile, or its server does not answer: it is open. */
function sizeAndDate(path: string): string {
  try {
    const { size, mtime } = statSync(path)
    return ` (${size} bytes; ${localTime(mtime)})`
  } catch {
    return ''
  }
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
