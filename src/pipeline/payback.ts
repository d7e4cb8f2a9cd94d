import type { Environment } from '../environment/find.ts'
import { paybackOf } from '../model/cost.ts'
import { monotonicMs } from '../platform/clock.ts'
import { localFileSystem } from '../platform/local-disk.ts'
import { timeOfLookUp } from '../platform/time-of-look-up.ts'
import { siteOf } from './amount.ts'
import type { StageOptions, StageResult } from './options.ts'

/**
 * Look-ups are timed before a stage is made, while CPUs and server have nothing else to do for us. Returns what adds to the result
 * whether the stage pays: nothing for an original on local disk, which is reported in its own words, and nothing for an image, whose
 * files are read when they are needed.
 */
export async function beginPayback(
  { real }: Environment,
  { threads, form }: StageOptions,
): Promise<(result: StageResult) => StageResult> {
  if (form === 'image') return (result) => result
  if ((await localFileSystem(real)) !== undefined) return (result) => result
  const site = siteOf(await timeOfLookUp(real), threads)
  const started = monotonicMs()
  return (result) => {
    const seconds = (monotonicMs() - started) / 1000
    return { ...result, payback: paybackOf(result, site, seconds) }
  }
}
