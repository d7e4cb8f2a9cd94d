import { benchmark } from '../../../evidence/benchmark.ts'
import type { Command } from '../../command.ts'
import { benchmarkText } from '../../render/benchmark-text.ts'
import { clearTransient, showTransient, writeData, writeJson } from '../../render/messages.ts'
import { measured } from './measured.ts'

/** Compares how long a command takes from the original and from a copy. */
export const benchmarkCommand: Command = async (context) => {
  const { options, session, atEnd } = context
  const isShown = session.isErrorShown && session.env.TERM !== 'dumb' && options.verbosity !== 'quiet'
  atEnd(clearTransient)
  const onRun = (done: number, all: number) => isShown && showTransient(`Start ${done} of ${all} ...`)
  const result = await benchmark({ ...measured(context), runs: options.runs, onRun })
  if (options.json) writeJson(result)
  else writeData(benchmarkText(result))
  return undefined
}
