import { StageError } from '../errors.ts'

/** @throws StageError CANCELLED if the signal is aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined, prefix: string): void {
  if (!signal?.aborted) return
  throw new StageError('CANCELLED', `Reading ${prefix} was cancelled`, { path: prefix, cause: signal.reason })
}
