import { closeSync, constants, openSync, writeSync } from 'node:fs'
import type { RelocationPlan } from '../relocate/plan.ts'

/** Edits a file in place, by a plan that is `sameLength`. It has to be writable for us. */
export function patchFile(path: Buffer, { edits }: Pick<RelocationPlan, 'edits'>): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    for (const { offset, swap } of edits)
      for (let done = 0; done < swap!.after.length; )
        done += writeSync(fd, swap!.after, done, swap!.after.length - done, offset + done)
  } finally {
    closeSync(fd)
  }
}
