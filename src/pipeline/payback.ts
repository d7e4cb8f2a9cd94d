import type { Environment } from '../environment/find.ts'
import { paybackOf } from '../model/cost.ts'
import { monotonicMs } from '../platform/clock.ts'
import { localFileSystem } from '../platform/local-disk.ts'
import { timeOfLookUp } from '../platform/time-of-look-up.ts'
import type { StageResult } from './options.ts'

/**
 * Look-ups are timed before a stage is made, while CPUs and server have nothing else to do for us. Returns what adds to the result
 * whether the stage pays: nothing for an original on local disk, which is reported in its own words.
 */
export async function beginPayback({ real }: Environment): Promise<(result: StageResult) => StageResult> {
  if ((await localFileSystem(real)) !== undefined) return (result) => result
  const lookUpMs = await timeOfLookUp(real)
  const started = monotonicMs()
  return (result) => {
    const stageSeconds = (monotonicMs() - started) / 1000
    return { ...result, payback: paybackOf({ files: result.files, stageSeconds }, lookUpMs) }
  }
}
