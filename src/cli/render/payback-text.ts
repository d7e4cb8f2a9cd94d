import { counted, megabytes } from '../../model/amounts.ts'
import type { Payback } from '../../model/cost.ts'
import type { StageResult } from '../../pipeline/options.ts'

/** For --status: what staging would take and gain. */
export function paybackText({ pays, lookUpMs, gainSeconds, stageSeconds }: Payback): string {
  const gain = `a look-up takes ${milliseconds(lookUpMs)}, a start from a copy gains about ${seconds(gainSeconds)}`
  return `${pays ? 'pays' : 'gains little'}: ${gain}, a stage takes about ${seconds(stageSeconds)}`
}

/** After a stage: what it was, and what it brings. */
export function whatItBought(
  { original, files, bytes }: Pick<StageResult, 'original' | 'files' | 'bytes'>,
  { lookUpMs, gainSeconds, stageSeconds, pays }: Payback,
): string {
  const made = `Staged ${counted(files, 'file')}, ${megabytes(bytes)}, in ${seconds(stageSeconds)}`
  const gain = `a start from the copy gains ${pays ? '' : 'only '}about ${seconds(gainSeconds)}`
  return `${made}. A look-up in ${original} takes ${milliseconds(lookUpMs)} here: ${gain}`
}

const milliseconds = (ms: number): string => `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)} ms`

const seconds = (amount: number): string => `${amount.toFixed(amount < 10 ? 1 : 0)} s`
