import type { SingleBar } from 'cli-progress'
import type { ProgressEvent } from '../../model/progress.ts'
import { clearBelow, clearTransient, sayLines } from './messages.ts'

type Progress = Extract<ProgressEvent, { kind: 'progress' }>

interface Bar {
  update(event: Progress): void
  /** Replaces the bar with its last state in one line. */
  finish(): void
  clear(): void
  isShown(): boolean
}

const WIDTH = 40

/** Seconds after which the time left is worth showing. */
const SETTLED = 1

/** A live bar on a terminal; elsewhere one line at the end. The line is conda-pack's, which people know. */
export function createBar({ live, quiet }: { live: boolean; quiet: boolean }): Bar {
  let started: number | undefined
  let last: Progress | undefined
  let bar: SingleBar | undefined
  let library: typeof import('cli-progress') | undefined
  let isLoading = false
  // Loading takes time, and most calls have nothing to show.
  const load = async () => {
    isLoading = true
    library = await import('cli-progress')
    if (last && started !== undefined) show(last)
  }
  const elapsed = () => (Date.now() - (started ?? Date.now())) / 1000
  const stop = () => {
    if (bar) {
      bar.stop()
      clearBelow()
    }
    bar = undefined
    started = undefined
  }
  const show = (event: Progress) => {
    if (library === undefined) return void (isLoading || load())
    if (!bar) {
      clearTransient()
      bar = new library.SingleBar({
        // Called several times a second, so that the clock goes on while nothing is reported.
        format: () => (last ? barLine(last, elapsed()) : ''),
        clearOnComplete: true,
        hideCursor: true,
        stream: process.stderr,
        gracefulExit: false,
      })
      bar.start(1, 0)
    }
    bar.update(shareOf(event))
  }
  return {
    isShown: () => bar !== undefined,
    update(event) {
      if (quiet) return
      if (last?.phase !== event.phase) stop()
      last = event
      started ??= Date.now()
      if (live) show(event)
    },
    finish() {
      if (last) {
        const line = `[${'#'.repeat(WIDTH)}] | 100% Completed |  ${elapsed().toFixed(1)}s`
        stop()
        sayLines([`${line} | ${last.totalFiles} files | ${inMegabytes(last.totalBytes)} MB`])
      }
      last = undefined
    },
    clear() {
      last = undefined
      stop()
    },
  }
}

/** With the time left, as far as it can be estimated. @internal Exported for its tests. */
export function barLine(event: Progress, elapsed: number): string {
  const share = shareOf(event)
  const done = Math.floor(share * WIDTH)
  const left = share > 0 && share < 1 && elapsed >= SETTLED ? Math.ceil((elapsed * (1 - share)) / share) : undefined
  return [
    `[${'#'.repeat(done)}${' '.repeat(WIDTH - done)}]`,
    `${Math.floor(share * 100)}% Completed`,
    ` ${elapsed.toFixed(1)}s`,
    `${event.files}/${event.totalFiles} files`,
    ...(event.totalBytes > 0 ? [`${inMegabytes(event.bytes)}/${inMegabytes(event.totalBytes)} MB`] : []),
    ...(left === undefined ? [] : [`${left}s left`]),
  ].join(' | ')
}

/** By bytes; by files if bytes are not known. */
function shareOf({ files, totalFiles, bytes, totalBytes }: Progress): number {
  const share = totalBytes > 0 ? bytes / totalBytes : files / Math.max(1, totalFiles)
  return Math.min(1, share)
}

const inMegabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)
