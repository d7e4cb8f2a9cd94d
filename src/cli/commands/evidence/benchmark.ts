import { StageError } from '../../../errors.ts'
import { benchmark } from '../../../evidence/benchmark.ts'
import { proveFrom } from '../../../evidence/proof.ts'
import type { Copy, EvidenceOptions } from '../../../evidence/with-copy.ts'
import type { Command } from '../../command.ts'
import { benchmarkText } from '../../render/benchmark-text.ts'
import { clearTransient, showTransient, writeData, writeJson } from '../../render/messages.ts'
import type { Report } from '../../render/report/page.ts'
import { measured } from './measured.ts'
import { assertWritable, writeReport } from './report.ts'

/** Compares how long a command takes from the original and from a copy. */
export const benchmarkCommand: Command = async (context) => {
  const { options, session, atEnd } = context
  const isShown = session.isErrorShown && session.env.TERM !== 'dumb' && options.verbosity !== 'quiet'
  atEnd(clearTransient)
  const onRun = (done: number, all: number) => isShown && showTransient(`Start ${done} of ${all} ...`)
  const given = measured(context)
  await assertWritable(options.report, given)
  let look: Pick<Report, 'proof' | 'noProof'> = {}
  // The look-ups explain the times. They are counted in a further start.
  const afterwards = async (copy: Copy) => {
    if (options.report !== undefined) look = await lookUps(copy, given)
  }
  const result = await benchmark({ ...given, runs: options.runs, onRun, afterwards })
  if (options.json) writeJson(result)
  else writeData(benchmarkText(result))
  if (options.report !== undefined) {
    const sides = { original: result.original.prefix, copy: result.copy.prefix }
    await writeReport(options.report, sides, { command: result.command, benchmark: result, ...look }, context)
  }
  return undefined
}

/** A report of the times does without, where nothing may be traced. */
async function lookUps(copy: Copy, given: EvidenceOptions): Promise<Pick<Report, 'proof' | 'noProof'>> {
  try {
    return { proof: await proveFrom(copy, given) }
  } catch (error) {
    if (!(error instanceof StageError) || !['NO_PROGRAM', 'NOT_TRACED'].includes(error.code)) throw error
    return { noProof: `That was not counted: ${error.message}. ${error.hint}` }
  }
}
