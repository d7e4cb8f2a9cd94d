import type { OnProgress, Phase, ProgressEvent } from '../model/progress.ts'

/** Tells that a phase begins, does it, and tells how many seconds it took. */
export async function timed<T>(
  onProgress: OnProgress,
  phase: Extract<ProgressEvent, { kind: 'phase' }>,
  body: () => Promise<T>,
): Promise<T> {
  const started = performance.now()
  onProgress(phase)
  const result = await body()
  onProgress({ kind: 'done', phase: phase.phase satisfies Phase, seconds: (performance.now() - started) / 1000 })
  return result
}

/** Reports how many files are done, ten times a second at most. */
export function countProgress(
  phase: 'remove' | 'verify',
  onProgress: OnProgress,
): (files: number, totalFiles: number) => void {
  let reported = performance.now()
  return (files, totalFiles) => {
    const now = performance.now()
    if (now - reported < 100) return
    reported = now
    onProgress({ kind: 'progress', phase, files, totalFiles: Math.max(files, totalFiles), bytes: 0, totalBytes: 0 })
  }
}
