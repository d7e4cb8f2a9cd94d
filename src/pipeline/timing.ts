import type { OnProgress, Phase, ProgressEvent } from '../model/progress.ts'

/** Reports that a phase begins, runs it, and reports how many seconds it took. */
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
