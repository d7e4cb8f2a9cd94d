import { wholeSeconds } from '../model/amounts.ts'
import type { OnProgress, Phase, ProgressEvent } from '../model/progress.ts'
import { monotonicMs } from '../platform/clock.ts'

/** Reports that a phase begins, runs it, and reports how many seconds it took. */
export async function timed<T>(
  onProgress: OnProgress,
  phase: Extract<ProgressEvent, { kind: 'phase' }>,
  body: () => Promise<T>,
): Promise<T> {
  const started = monotonicMs()
  onProgress(phase)
  const result = await body()
  onProgress({ kind: 'done', phase: phase.phase satisfies Phase, seconds: (monotonicMs() - started) / 1000 })
  return result
}

/** The same for work that is no phase: the message comes first, and `Total WHAT time: N seconds` at the end. */
export async function timedInfo<T>(
  onProgress: OnProgress,
  { message, what }: { message: string; what: string },
  body: () => Promise<T>,
): Promise<T> {
  const started = monotonicMs()
  onProgress({ kind: 'info', message })
  const result = await body()
  const seconds = (monotonicMs() - started) / 1000
  onProgress({ kind: 'info', message: `Total ${what} time: ${wholeSeconds(seconds)}` })
  return result
}

/** Reports how many files are done, ten times a second at most. */
export function countProgress(
  phase: 'remove' | 'verify',
  onProgress: OnProgress,
): (files: number, totalFiles: number) => void {
  let reported = monotonicMs()
  return (files, totalFiles) => {
    const now = monotonicMs()
    if (now - reported < 100) return
    reported = now
    onProgress({ kind: 'progress', phase, files, totalFiles: Math.max(files, totalFiles), bytes: 0, totalBytes: 0 })
  }
}
