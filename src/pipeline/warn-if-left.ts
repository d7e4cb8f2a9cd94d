import { StageError } from '../errors.ts'
import type { OnProgress } from '../model/progress.ts'

/** A copy that counts no more is gone for its users. What can't be removed now is a matter for the next call. */
export async function warnIfLeft(removal: Promise<void>, onProgress: OnProgress): Promise<void> {
  await removal.catch((error: unknown) => {
    if (!(error instanceof StageError) || error.code !== 'NOT_REMOVED') throw error
    onProgress({ kind: 'warning', message: `${error.message}. ${error.hint}` })
  })
}
