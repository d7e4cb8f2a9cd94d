import type { Payback } from '../../model/cost.ts'

/** For --status: what staging would take and gain. */
export function paybackText({ pays, lookUpMs, gainSeconds, stageSeconds }: Payback): string {
  const gain = `a look-up takes ${milliseconds(lookUpMs)}, a start from a copy gains about ${seconds(gainSeconds)}`
  return `${pays ? 'pays' : 'gains little'}: ${gain}, a stage takes about ${seconds(stageSeconds)}`
}

/** After a stage that can't pay. */
export const littleGained = (original: string, { lookUpMs, gainSeconds, stageSeconds }: Payback): string =>
  `A look-up in ${original} takes ${milliseconds(lookUpMs)} here: a start from the copy gains about ${seconds(gainSeconds)}, and this stage took ${seconds(stageSeconds)}`

const milliseconds = (ms: number): string => `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)} ms`

const seconds = (amount: number): string => `${amount.toFixed(amount < 10 ? 1 : 0)} s`
